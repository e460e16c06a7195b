"""A Bluetooth adapter and sensors that exist in the test's process only: bleak on top, bumble's controllers below."""

from support.bluetooth.peripherals import Offered, Peripheral
from support.bluetooth.radio import VirtualClient, VirtualRadio, VirtualScanner, virtual_radio

__all__ = ["Offered", "Peripheral", "VirtualClient", "VirtualRadio", "VirtualScanner", "virtual_radio"]
