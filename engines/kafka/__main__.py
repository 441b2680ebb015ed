"""The command line: `python -m model_etl.engines.kafka process`, and the tools around it."""
# ruff: noqa: E402  the search path comes before all imports that it could mislead

from __future__ import annotations

from model_etl.runtime.search_path import leave_out_current_folder

leave_out_current_folder()

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from model_etl.engines.kafka.console import install_log_handler, print_notice, write_stdout
from model_etl.engines.kafka.group import ProcessorSettings
from model_etl.engines.kafka.lag import group_lag
from model_etl.engines.kafka.options import ALL_SCORING, Parser, connection_of, models_of
from model_etl.engines.kafka.receive_command import ReceiveOptions, receive_messages
from model_etl.engines.kafka.send_command import FORMATS, send_records
from model_etl.engines.kafka.service import ServedModel, ServiceSettings, serve
from model_etl.engines.kafka.topics import TopicAdmin, Topics
from model_etl.engines.shared.options import run
from model_etl.errors import UsageError
from model_etl.runtime.signals import stop_on_signals
from model_etl.settings.option import did_you_mean
from model_etl.settings.values import parse_positive_int


def process(arguments: Sequence[str]) -> int:
    """Score the messages of one or several models' inputs until a signal asks to stop."""
    parser = Parser("process", str(process.__doc__), ALL_SCORING)
    parser.own(
        "prefix", "max_records", "session_timeout", "rebalance_timeout", "report_every",
        "metrics_port", "grace", "exactly_once",
    )  # fmt: skip
    parsed = parser.parse_args(arguments)
    connection = connection_of(parsed)
    settings = ProcessorSettings(
        parsed.exactly_once, parsed.max_records, parsed.session_timeout, parsed.rebalance_timeout,
    )  # fmt: skip
    service = ServiceSettings(parsed.report_every, parsed.grace, parsed.metrics_port)
    asyncio.run(serve(connection, _load_models(parsed), settings, service))
    return 0


def create_topics(arguments: Sequence[str]) -> int:
    """Create the topics of models; topics that exist are not changed."""
    parser = Parser("create_topics", str(create_topics.__doc__), ())
    parser.own("prefix", "partitions", "replication_factor")
    parsed = parser.parse_args(arguments)
    connection = connection_of(parsed)
    names = [name for model in _load_models(parsed) for name in model.topics.names]

    async def create() -> list[str]:
        async with TopicAdmin(connection) as admin:
            return await admin.create_topics(names, parsed.partitions, parsed.replication_factor)

    write_stdout(line.encode() for line in asyncio.run(create()))
    return 0


def send(arguments: Sequence[str]) -> int:
    """Send the lines of a file, or of standard input as they arrive, to a topic."""
    parser = Parser("send", str(send.__doc__))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--key", metavar="FIELD", help="field of the records whose value becomes the messages' key")
    parser.add_argument("--input_format", choices=FORMATS, help="rejects: send the content of an errors topic again")
    parser.add_argument("file", nargs="?", metavar="FILE", help="JSON Lines; by default standard input")
    parsed = parser.parse_args(arguments)
    connection = connection_of(parsed)

    async def check_and_send() -> int:
        async with TopicAdmin(connection) as admin:
            await admin.require_topics([parsed.topic])
        return await send_records(connection, parsed.topic, parsed.file, parsed.key, parsed.input_format)

    print_notice(f"sent {asyncio.run(check_and_send()):,} to {parsed.topic}")
    return 0


def receive(arguments: Sequence[str]) -> int:
    """Print the messages of a topic as they arrive, one a line, until a signal asks to stop."""
    parser = Parser("receive", str(receive.__doc__))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--from_beginning", action="store_true", help="start with the oldest message")
    parser.add_argument("--until_end", action="store_true", help="stop at the end that the topic has at the start")
    parser.add_argument("--max", type=parse_positive_int, metavar="N", help="stop after N messages")
    parser.add_argument("--uncommitted", action="store_true", help="print messages of unfinished transactions too")
    parsed = parser.parse_args(arguments)
    connection = connection_of(parsed)
    wanted = ReceiveOptions(parsed.from_beginning, parsed.until_end, parsed.max, parsed.uncommitted)

    async def check_and_receive() -> None:
        async with TopicAdmin(connection) as admin:
            partition_counts = await admin.require_topics([parsed.topic])
        with stop_on_signals() as stop:
            await receive_messages(connection, parsed.topic, partition_counts[parsed.topic], wanted, stop)

    asyncio.run(check_and_receive())
    return 0


def show_lag(arguments: Sequence[str]) -> int:
    """Print how many messages wait in each partition of models' inputs, with tabs between the columns."""
    parser = Parser("lag", str(show_lag.__doc__), ())
    parser.own("prefix")
    parsed = parser.parse_args(arguments)
    connection = connection_of(parsed)
    models = _load_models(parsed)

    async def read_lag() -> list[str]:
        async with TopicAdmin(connection) as admin:
            partition_counts = await admin.require_topics([model.topics.inputs for model in models])
        lines = []
        for _, _, topics in models:
            lag = await group_lag(connection, topics, partition_counts[topics.inputs])
            lines += [f"{topics.inputs}\t{number}\t{messages}" for number, messages in lag.items()]
        return lines

    write_stdout(line.encode() for line in asyncio.run(read_lag()))
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "process": process,
    "create_topics": create_topics,
    "send": send,
    "receive": receive,
    "lag": show_lag,
}


def _load_models(parsed: Namespace) -> list[ServedModel]:
    """Load the models, before any request to a broker.

    Raises:
        ModelEtlError: if a model or a rule cannot be loaded, or two models have the same topics.
    """
    loaded = [(settings.scorer(), settings) for settings in models_of(parsed)]
    models = [ServedModel(scorer, settings, Topics.of(scorer.facts, parsed.prefix)) for scorer, settings in loaded]
    if len({model.topics for model in models}) < len(models):
        raise UsageError("two of the models have the same topics", "Run each in a process of its own, or only one.")
    return models


def main(arguments: Sequence[str]) -> int:
    """Run one of the verbs.

    Returns:
        The exit code; see `model_etl.errors`.
    """
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if verb not in VERBS:
        verbs = "\n".join(f"  {name:<14} {function.__doc__}" for name, function in VERBS.items())
        close = did_you_mean(verb, VERBS) if verb else None
        if close:
            print_notice(f"there is no such verb: did you mean {close}?")
        print_notice(f"usage: python -m model_etl.engines.kafka VERB [OPTIONS]; VERB --help lists the options\n{verbs}")
        return 0 if verb in ("-h", "--help") else UsageError.exit_code
    install_log_handler()
    return run(lambda _: VERBS[verb](rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
