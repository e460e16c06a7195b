"""The preprocessor's session with a real broker, without the rest of it."""

import threading
from pathlib import Path

import pytest
from support.brokers import BROKERS, run_broker
from support.mqtt import listening, publishing

from repsense.broker import BrokerAddress
from repsense_preprocessor.broker import BrokerSession

_N_STOPS = 12
_N_RESULTS = 100


@pytest.mark.parametrize("kind", BROKERS)
def test_what_is_published_right_before_the_end_arrives_although_messages_come_in(tmp_path: Path, kind: str) -> None:
    with run_broker(kind, tmp_path) as server, listening(server.port, "results/#") as results:
        address = BrokerAddress.parse(f"mqtt://127.0.0.1:{server.port}")
        over = threading.Event()

        def send_samples() -> None:
            with publishing(server.port) as publish:
                while not over.is_set():
                    publish("samples", b"x" * 4096)

        senders = [threading.Thread(target=send_samples) for _ in range(3)]
        for sender in senders:
            sender.start()
        expected = set()
        for number in range(_N_STOPS):
            session = BrokerSession(address, "preprocessor", "samples")
            session.start()
            session.acknowledge(session.receive(1, 10.0))
            for result in range(_N_RESULTS):
                topic = f"results/{number}/{result}"
                session.publish(topic, b"")
                expected.add(topic)
            session.stop()
        over.set()
        for sender in senders:
            sender.join()
        results.wait(lambda got: {topic for topic, _ in got} == expected, 10.0)
