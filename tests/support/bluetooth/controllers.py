"""bumble's virtual Bluetooth controllers, corrected where version 0.0.236 differs from what a real host relies on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.hci import (
    HCI_COMMAND_STATUS_PENDING,
    Address,
    HCI_ErrorCode,
    HCI_LE_Advertising_Report_Event,
    HCI_LE_Connection_Complete_Event,
    HCI_LE_Create_Connection_Cancel_Command,
    HCI_LE_Create_Connection_Command,
    HCI_StatusReturnParameters,
    LeFeatureMask,
    Role,
)
from bumble.link import LocalLink
from bumble.ll import AdvertisingPdu, AdvExtInd, AdvInd, ControlPdu
from bumble.transport.common import TransportSink, TransportSource

__all__ = ["Air", "AirController"]

_RSSI_DBM = -50


class Air(LocalLink):
    """What carries packets between controllers; some of them may be out of range.

    bumble's own link takes the sender's random address for the source of all data, so that a host which connects
    with its public address, as BlueZ does, would never be heard: here it is the address of the connection. It also
    raises where a packet is for somebody who is gone; in the air that packet is lost.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.out_of_range: set[Controller] = set()
        """Neither heard by anybody nor hearing anybody."""

    def send_acl_data(
        self, sender_controller: Controller, destination_address: Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """Carry data over a connection."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is not None and receiver is not None:
            deliver = partial(receiver.on_link_acl_data, connection.self_address, transport, data)
            self._carry(sender_controller, receiver, deliver)

    def send_advertising_pdu(self, sender_controller: Controller, packet: AdvertisingPdu) -> None:
        """Carry an advertisement, or the answer to one that makes a connection, to everybody in range."""
        for receiver in self.controllers - {sender_controller}:
            self._carry(sender_controller, receiver, partial(receiver.on_ll_advertising_pdu, packet))

    def send_ll_control_pdu(self, sender_address: Address, receiver_address: Address, packet: ControlPdu) -> None:
        """Carry what controllers say to each other."""
        sender = self.find_le_controller(sender_address)
        receiver = self.find_le_controller(receiver_address)
        if sender is not None and receiver is not None and sender_address in receiver.le_connections:
            self._carry(sender, receiver, partial(receiver.on_ll_control_pdu, sender_address, packet))

    def _carry(self, sender: Controller, receiver: Controller, deliver: Callable[[], None]) -> None:
        if not {sender, receiver} & self.out_of_range:
            asyncio.get_running_loop().call_soon(deliver)


@dataclass
class _Advertisement(AdvInd):
    """An advertisement together with what the advertiser adds when it is asked for more."""

    scan_response: bytes = b""


class _Advertiser(LegacyAdvertiser):
    """bumble's own never sends its scan response."""

    def send_advertising_data(self) -> None:
        if self.enabled:
            self.controller.send_advertising_pdu(
                _Advertisement(self.address, self.advertising_data, self.scan_response_data)
            )


class AirController(Controller):
    """A Bluetooth controller.

    Attributes:
        n_slots: How many connections it can hold as a central; None for no limit.
    """

    # bumble's says that it can do these, yet answers with the events of a controller that cannot; Linux 6.1 then
    # waits for the newer events, and its queue of commands stalls.
    le_features = Controller.le_features & ~(
        LeFeatureMask.LL_PRIVACY | LeFeatureMask.LE_EXTENDED_ADVERTISING | LeFeatureMask.LE_PERIODIC_ADVERTISING
    )

    n_slots: int | None = None

    def __init__(
        self,
        name: str,
        *,
        link: Air,
        host_source: TransportSource | None = None,
        host_sink: TransportSink | None = None,
        public_address: str | None = None,
    ) -> None:
        super().__init__(name, host_source, host_sink, link, public_address)
        self.le_legacy_advertiser = _Advertiser(self)

    def on_advertising_pdu(self, pdu: AdvInd | AdvExtInd) -> None:
        """Report an advertisement; bumble's repeats it in place of the scan response."""
        if self.le_scan_enable and isinstance(pdu, _Advertisement):
            event = HCI_LE_Advertising_Report_Event
            for kind, data in ((event.EventType.ADV_IND, pdu.data), (event.EventType.SCAN_RSP, pdu.scan_response)):
                address = pdu.advertiser_address
                report = event.Report(kind, address.address_type, address, data, _RSSI_DBM)
                self.send_hci_packet(event([report]))
        pending = self.pending_le_connection
        if pending is not None and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def on_hci_le_create_connection_command(self, command: HCI_LE_Create_Connection_Command) -> None:
        """Refuse a connection beyond the limit, which bumble's has not, as real controllers do.

        Only the virtual adapter has one. Linux 6.1 was tried with both ways to refuse: after this one it never
        answers BlueZ, and a refusal in the answer to the command corrupts a list and stops the kernel.
        """
        if self.n_slots is not None and len(self.le_connections) >= self.n_slots:
            self._send_hci_command_status(HCI_COMMAND_STATUS_PENDING, command.op_code)
            self._connecting_failed(command, HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR)
        else:
            super().on_hci_le_create_connection_command(command)

    def on_hci_le_create_connection_cancel_command(
        self, _command: HCI_LE_Create_Connection_Cancel_Command
    ) -> HCI_StatusReturnParameters:
        """Give up connecting; bumble's does nothing and connects when the peripheral comes back after all."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if not isinstance(pending, HCI_LE_Create_Connection_Command):
            return HCI_StatusReturnParameters(HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self._connecting_failed(pending, HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR)
        return HCI_StatusReturnParameters(HCI_ErrorCode.SUCCESS)

    def _connecting_failed(self, command: HCI_LE_Create_Connection_Command, status: HCI_ErrorCode) -> None:
        event = HCI_LE_Connection_Complete_Event(
            status=status,
            connection_handle=0,
            role=Role.CENTRAL,
            peer_address_type=command.peer_address.address_type,
            peer_address=command.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # After the answer to the command, as the specification has it (Vol 4, Part E, 7.8.12 and 7.8.13).
        asyncio.get_running_loop().call_soon(self.send_hci_packet, event)

    def time_out_connection(self, peer: Address) -> None:
        """End the connection with one peer, if there is one, as the supervision timeout does."""
        connection = self.le_connections.get(peer)
        if connection is not None:
            self.on_le_disconnected(connection, HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
