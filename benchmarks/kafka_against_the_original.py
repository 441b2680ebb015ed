"""Messages per second through a real broker, against Quix Streams and a processor in the original's style.

Runs in the environment of the Kafka engine. All processors read the same messages, which lie in the topic before they
start, with the same model, from the same broker on this machine; ours writes its prediction log and the prediction ids,
the others have none, so ours runs once without. What is timed is the stretch between a tenth of the results and the
last. Exits with 1 if ours is not at least five times as fast as the original, and without the log three times as fast
as Quix Streams.

The original's style: one message at a time, each result sent and waited for alone, offsets committed by the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

import common
import environments
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from common import IRIS
from results import Results

QUIX, NO_LOG = "Quix Streams", "at least once, no log"
CLAIMS = {"original": (5, ("at least once", "exactly once")), QUIX: (3, (NO_LOG,))}
MESSAGES = {"original": 30_000}
MOST_MESSAGES = 100_000
MODEL_NEEDS = ("numpy", "ml-base")
PARTITIONS = 4
ENGINE = (sys.executable, "-m", "model_etl.engines.kafka")
WAYS: dict[str, tuple[str, ...]] = {
    "original": (sys.executable, __file__, "original"),
    QUIX: (),  # see command_of
    "at least once": (*ENGINE, "process", "--report_every=0", f"--model={IRIS}"),
    NO_LOG: (*ENGINE, "process", "--report_every=0", f"--model={IRIS}", *common.NO_LOG),
    "exactly once": (*ENGINE, "process", "--report_every=0", f"--model={IRIS}", "--exactly_once"),
}


async def original(address: str, base: str) -> None:
    """Process messages for ever, one at a time."""
    module, _, name = IRIS.partition(":")
    model = getattr(importlib.import_module(module), name)()
    consumer = AIOKafkaConsumer(
        f"{base}.inputs", bootstrap_servers=address, group_id="original", auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await consumer.start()
    await producer.start()
    async for message in consumer:
        try:
            prediction = model.predict(model.input_schema(**json.loads(message.value))).model_dump()
            await producer.send_and_wait(f"{base}.outputs", json.dumps(prediction).encode())
        except Exception:  # noqa: BLE001  as the original
            await producer.send_and_wait(f"{base}.errors", message.value)


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Run a broker, and give its address."""
    command = [sys.executable, common.ROOT / "engines" / "tests" / "kafka_broker.py", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            words = process.stdout.readline().split() if process.stdout else []
            if not words:
                raise RuntimeError("there is no broker")
            yield words[1]
        finally:
            process.terminate()


def run(*command: str) -> None:
    """Run a tool of ours."""
    done = subprocess.run(command, cwd=common.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stderr}")


async def rate(address: str, base: str, count: int) -> float:
    """Watch the results come, and give how many did a second.

    The marks that end transactions count as results: a few in ten thousand.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=address, isolation_level="read_uncommitted")
    await consumer.start()
    ends = [
        TopicPartition(name, number) for name in (f"{base}.outputs", f"{base}.errors") for number in range(PARTITIONS)
    ]
    first: tuple[float, int] | None = None
    limit = time.monotonic() + common.TIME_LIMIT_S
    try:
        while time.monotonic() < limit:
            there = sum((await consumer.end_offsets(ends)).values())
            if first is None and there >= count // 10:
                first = time.perf_counter(), there
            if first is not None and there >= count:
                return (there - first[1]) / (time.perf_counter() - first[0])
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
    raise RuntimeError(f"only {there} of {count} results came")


def command_of(way: str) -> list[str]:
    """Return the command that starts a processor; Quix Streams has an environment of its own."""
    if way != QUIX:
        return list(WAYS[way])
    script = common.HERE / "peers" / "quix_streams.py"
    return [str(environments.python("quix_streams", MODEL_NEEDS)), str(script)]


def measure(address: str, prefix: str, way: str, count: int) -> float:
    """Fill topics of their own, start a processor, and give its messages per second."""
    where = f"--bootstrap_servers={address}"
    base = f"{prefix}.iris_model.1.0"
    run(*ENGINE, "create_topics", where, f"--model={IRIS}", f"--prefix={prefix}", f"--partitions={PARTITIONS}")
    with common.records(count).open("rb") as lines:
        command = [*ENGINE, "send", where, "--topic", f"{base}.inputs"]
        subprocess.run(command, stdin=lines, stderr=subprocess.DEVNULL, cwd=common.ROOT, check=True)
    options = [address, base] if way in CLAIMS else [where, f"--prefix={prefix}"]
    process = subprocess.Popen([*command_of(way), *options], cwd=common.ROOT, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(rate(address, base, count))
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark, or the original."""
    if arguments[:1] == ["original"]:
        asyncio.run(original(*arguments[1:]))
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("kafka_against_the_original", options)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with broker() as address:
        for number in range(options.rounds):
            for way, rates in found.items():
                count = MESSAGES.get(way, MOST_MESSAGES) // (10 if options.quick else 1)
                rates.append(measure(address, f"{re.sub('[ ,]+', '_', way)}_{number}", way, count))
    results.say(f"Messages per second, medians of {options.rounds} rounds; {PARTITIONS} partitions, one process.")
    rows = []
    for way, rates in found.items():
        times = [common.spread(common.ratios(rates, found[other]), 1) for other in CLAIMS]
        rows.append([way, f"{median(rates):,.0f}", *times])
    results.table(["processor", "messages/s", *(f"times {other}" for other in CLAIMS)], rows)
    for other, (claim, ways) in CLAIMS.items():
        for way in ways:
            middle = median(common.ratios(found[way], found[other]))
            results.claim(f"{way} at least {claim} times {other}", f"{middle:.1f} times", held=middle >= claim)
    return results.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
