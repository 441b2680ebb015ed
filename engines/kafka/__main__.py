"""The command line: `python -m model_etl.engines.kafka process`, and the tools around it."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from model_etl.engines.kafka import lag, receive, send
from model_etl.engines.kafka.group import Pace
from model_etl.engines.kafka.notices import listen, put, say
from model_etl.engines.kafka.options import ALL_SCORING, Parser, connection_of, models_of
from model_etl.engines.kafka.service import Served, serve
from model_etl.engines.kafka.topics import Admin, Topics
from model_etl.engines.shared.options import run
from model_etl.errors import UsageError
from model_etl.runtime.signals import stop_on_signals
from model_etl.settings.values import parse_positive_int


def process(arguments: Sequence[str]) -> int:
    """Score the messages of one or several models' inputs until a signal asks to stop."""
    parser = Parser("process", str(process.__doc__))
    parser.models(*ALL_SCORING)
    parser.add_argument("--prediction_log", choices=["none"], help="none for no log, which otherwise is a topic")
    parser.own("prefix", "max_records", "session_timeout", "rebalance_timeout", "report_every", "grace", "exactly_once")
    given = parser.parse_args(arguments)
    connection = connection_of(given)
    pace = Pace(given.exactly_once, given.max_records, given.session_timeout, given.rebalance_timeout)
    asyncio.run(serve(connection, _loaded(given), pace, given.report_every, given.grace))
    return 0


def create_topics(arguments: Sequence[str]) -> int:
    """Make the topics of models; those that exist stay as they are."""
    parser = Parser("create_topics", str(create_topics.__doc__))
    parser.models()
    parser.own("prefix", "partitions", "replication_factor")
    given = parser.parse_args(arguments)
    connection = connection_of(given)
    names = [name for model in _loaded(given) for name in model.topics.names]

    async def work() -> list[str]:
        async with Admin(connection) as admin:
            return await admin.create(names, given.partitions, given.replication_factor)

    put(line.encode() for line in asyncio.run(work()))
    return 0


def send_messages(arguments: Sequence[str]) -> int:
    """Send the lines of a file, or of standard input as they come, to a topic."""
    parser = Parser("send", str(send_messages.__doc__))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--key", metavar="FIELD", help="field of the records whose value is the messages' key")
    parser.add_argument("--input_format", choices=send.FORMATS, help="rejects: send again what an errors topic held")
    parser.add_argument("file", nargs="?", metavar="FILE", help="JSON Lines; by default standard input")
    given = parser.parse_args(arguments)
    connection = connection_of(given)

    async def work() -> int:
        async with Admin(connection) as admin:
            await admin.require([given.topic])
        return await send.send(connection, given.topic, given.file, given.key, given.input_format)

    say(f"sent {asyncio.run(work()):,} to {given.topic}")
    return 0


def receive_messages(arguments: Sequence[str]) -> int:
    """Print the messages of a topic as they come, one a line, until a signal asks to stop."""
    parser = Parser("receive", str(receive_messages.__doc__))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--from_beginning", action="store_true", help="start with the first message that there is")
    parser.add_argument("--until_end", action="store_true", help="stop at the last one that there was at the start")
    parser.add_argument("--max", type=parse_positive_int, metavar="N", help="print at most so many")
    parser.add_argument("--uncommitted", action="store_true", help="print those of unfinished transactions too")
    given = parser.parse_args(arguments)
    connection = connection_of(given)
    what = receive.Wanted(given.from_beginning, given.until_end, given.max, given.uncommitted)

    async def work() -> None:
        async with Admin(connection) as admin:
            partitions = await admin.require([given.topic])
        with stop_on_signals() as stop:
            await receive.receive(connection, given.topic, partitions[given.topic], what, stop)

    asyncio.run(work())
    return 0


def show_lag(arguments: Sequence[str]) -> int:
    """Say how many messages wait in each partition of models' inputs, with tabs between the columns."""
    parser = Parser("lag", str(show_lag.__doc__))
    parser.models()
    parser.own("prefix")
    given = parser.parse_args(arguments)
    connection = connection_of(given)
    models = _loaded(given)

    async def work() -> list[str]:
        async with Admin(connection) as admin:
            partitions = await admin.require([model.topics.inputs for model in models])
        found = []
        for _, _, topics in models:
            waiting = await lag.lag(connection, topics, partitions[topics.inputs])
            found += [f"{topics.inputs}\t{number}\t{some}" for number, some in waiting.items()]
        return found

    put(line.encode() for line in asyncio.run(work()))
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "process": process,
    "create_topics": create_topics,
    "send": send_messages,
    "receive": receive_messages,
    "lag": show_lag,
}


def _loaded(given: Namespace) -> list[Served]:
    """Load the models: before anything is asked of a broker."""
    loaded = [(settings.scorer(), settings) for settings in models_of(given)]
    models = [Served(scorer, settings, Topics.of(scorer.facts, given.prefix)) for scorer, settings in loaded]
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
        told = "\n".join(f"  {name:<14} {function.__doc__}" for name, function in VERBS.items())
        say(f"usage: python -m model_etl.engines.kafka VERB [OPTIONS]; VERB --help tells the options\n{told}")
        return 0 if verb in ("-h", "--help") else UsageError.exit_code
    listen()
    return run(lambda _: VERBS[verb](rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
