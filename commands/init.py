"""`homeiq init`: asks for what is needed, tries it at once, and writes homeiq.yaml. Without a terminal it asks nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ..clock import SystemClock
from ..errors import BucketMissing, NotHomeAssistant, SettingsError, SourceError, TargetError, TokenRefused, UsageError
from ..sections import secret_in
from ..settings import find_config, user_data_dir
from ..storage.files import Files
from .configuration import load_settings
from .init_file import Answers, config_text
from .init_home import Home, ask_home, greet
from .init_influxdb import Found, candidates, find, make_bucket, try_out
from .init_proposal import Proposal, propose
from .questions import Questions
from .schema import schema_text
from .terminal import print_line, say

__all__ = ["InitOptions", "init"]

_TOKEN_HOW: Final = (
    "Home Assistant needs to know who asks. Make a token for homeiq there: open {url}/profile/security\n"
    "(your name at the bottom left → Security), and at its very bottom Long-lived access tokens → Create token."
)
_NO_INFLUXDB: Final = "none"


@dataclass(frozen=True)
class InitOptions:
    """The options of the command, by their names; `None` and empty texts were not given."""

    url: str = ""
    token_file: Path | None = None
    influxdb_url: str = ""
    influxdb_token_file: Path | None = None
    influxdb_org: str = ""
    influxdb_bucket: str = ""
    utilities: str | None = None
    history: Path | None = None
    yes: bool = False
    force: bool = False


@dataclass(frozen=True)
class _Secret:
    """A token, and the file in which it stands already, if it stands in one."""

    text: str
    file: Path | None = None

    def __repr__(self) -> str:
        return "_Secret(…)"


@dataclass(frozen=True)
class _Influx:
    settings: dict[str, str]
    token: _Secret
    is_: str


def init(config: Path | None, data_dir: Path | None, options: InitOptions, questions: Questions) -> None:
    """Ask, try and write. Raises UsageError for what is missing, SourceError, TargetError for what does not work."""
    file = _where(config, options, questions)
    home, token = _home(options, questions)
    say(f"connected to {home.sentence}")
    if not home.admin:
        say("this token is not an administrator's: events of some types are not heard with it")
    influx = _influxdb(home.url, options, questions)
    wanted, offered = _utilities(propose(home.config, home.states), options, questions)
    files = Files()
    answers = Answers(
        home=f"{home.sentence}, on {datetime.fromtimestamp(SystemClock().now() / 1e6):%Y-%m-%d}",
        url=home.url,
        token_file=_kept(files, token, file.parent / "home-assistant-token"),
        influxdb=_influx_section(files, influx, file.parent),
        influxdb_is=influx.is_ if influx else "",
        wanted=wanted,
        offered=offered,
        data_dir=data_dir.expanduser().absolute() if data_dir else None,
        default_data_dir=user_data_dir(),
    )
    _write(files, file, config_text(answers))
    settings = load_settings(file, data_dir=data_dir)
    print_line(f"wrote {file}")
    _history(settings.data_dir, home, options, questions)
    found = find_config()
    here = found is not None and found.absolute() == file
    say(f"next: homeiq {'' if here else f'--config {file} '}run")


def _where(config: Path | None, options: InitOptions, questions: Questions) -> Path:
    """Return the file to write. Raises UsageError where there is one already, and nobody says that it may go."""
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    file = (config or find_config() or user / "homeiq" / "homeiq.yaml").expanduser().absolute()
    if file.exists() and not options.force:
        if not questions.asks:
            raise UsageError(f"{file} is there already", hint="--force writes it anew, and keeps it as homeiq.yaml.old")
        if not questions.confirm(f"{file} is there already. Write it anew, and keep it as {file.name}.old?", False):
            raise UsageError(f"{file} stays as it is", hint="--config FILE writes another one")
    return file


def _home(options: InitOptions, questions: Questions) -> tuple[Home, _Secret]:
    """Return the home, having been let in. Raises UsageError, SourceError where nobody can be asked."""
    url = options.url or os.environ.get("HOME_ASSISTANT_URL", "")
    token = _given(options.token_file, "--token-file", "HOME_ASSISTANT_TOKEN")
    if not questions.asks:
        missing = [] if url else ["--url or HOME_ASSISTANT_URL"]
        missing += [] if token else ["--token-file, HOME_ASSISTANT_TOKEN or HOME_ASSISTANT_TOKEN_FILE"]
        if missing or token is None:
            raise UsageError("there is nobody to ask", hint=f"give {', and '.join(missing)}")
        return ask_home(greet(url), token.text), token
    while True:
        url = url or questions.text("Address of Home Assistant", "http://homeassistant.local:8123")
        try:
            url = greet(url)
            if token is None:
                say(_TOKEN_HOW.format(url=url))
                token = _Secret(questions.secret("Token"))
            return ask_home(url, token.text), token
        except TokenRefused as error:
            say(f"{error.message}: it may be cut off, or was deleted")
            token = None
        except (SourceError, NotHomeAssistant) as error:
            say(str(error.message))
            url = ""


def _influxdb(home_url: str, options: InitOptions, questions: Questions) -> _Influx | None:
    """Return the InfluxDB that is to be written to, tried; None for the embedded target. Raises TargetError, UsageError."""
    named = options.influxdb_url or os.environ.get("INFLUXDB_URL", "")
    if named == _NO_INFLUXDB or (not named and not questions.asks):
        return None
    token = _given(options.influxdb_token_file, "--influxdb-token-file", "INFLUXDB_TOKEN")
    org = options.influxdb_org or os.environ.get("INFLUXDB_ORG", "")
    bucket = options.influxdb_bucket or os.environ.get("INFLUXDB_BUCKET", "")
    if not questions.asks:
        return _tried(named, token or _Secret(""), org or "homeiq", bucket or "home_assistant_events")
    found = _choose(find(candidates(home_url, named)), named, questions)
    while found is not None:
        try:
            org = org or (questions.text("Its organisation", "homeiq") if found.major != 1 else "homeiq")
            bucket = bucket or questions.text("Bucket" if found.major != 1 else "Database", "home_assistant_events")
            if token is None:
                hint = "user:password, or nothing" if found.major == 1 else "API token that may read and write"
                token = _Secret(questions.secret(f"Its token ({hint})", empty=found.major == 1))
            return _tried(found.url, token, org, bucket)
        except BucketMissing as error:
            say(error.message)
            if questions.confirm(f"Make {bucket} there?", True) and token and _made(found.url, token, org, bucket):
                continue
            org, bucket = "", ""
        except TargetError as error:
            say(str(error))
            if not questions.confirm("Try again with other words?", True):
                say("points go into Parquet files for now; set influxdb in homeiq.yaml when it is there")
                return None
            token, org, bucket = None, "", ""
    return None


def _made(url: str, token: _Secret, org: str, bucket: str) -> bool:
    try:
        make_bucket(url, token.text, org, bucket)
    except TargetError as error:
        say(str(error))
        return False
    return True


def _choose(found: Sequence[Found], named: str, questions: Questions) -> Found | None:
    for one in found:
        if questions.confirm(f"Write points to {one.product} at {one.url}?", True):
            return one
    words = "Another InfluxDB" if found else f"There is no InfluxDB{f' at {named}' if named else ' here'}. Its address"
    while True:
        url = questions.text(f"{words} (Enter: none, points go into Parquet files beside the log)", "")
        if not url:
            return None
        if answering := find([url if "://" in url else f"http://{url}"]):
            return answering[0]
        say(f"no InfluxDB answers at {url}: check its address and port, such as http://192.168.1.5:8086")


def _tried(url: str, token: _Secret, org: str, bucket: str) -> _Influx:
    is_, cannot = try_out(url, token.text, org, bucket)
    say(f"connected to {is_}")
    for sentence in cannot:
        say(sentence)
    return _Influx({"url": url, "org": org, "bucket": bucket}, token, is_)


def _influx_section(files: Files, influx: _Influx | None, folder: Path) -> dict[str, str]:
    if influx is None:
        return {}
    settings = dict(influx.settings)
    if not influx.token.text:
        return settings
    file = _kept(files, influx.token, folder / "influxdb-token")
    return {"url": settings.pop("url"), "token_file": str(file), **settings}


def _utilities(
    proposals: Sequence[Proposal], options: InitOptions, questions: Questions
) -> tuple[list[Proposal], list[Proposal]]:
    """Return the sections that are to hold, and those that are only offered. Raises UsageError for an unknown name."""
    wants = _chooser(proposals, options, questions)
    wanted = [proposal for proposal in proposals if not proposal.incomplete and wants(proposal)]
    return wanted, [proposal for proposal in proposals if proposal not in wanted]


def _chooser(proposals: Sequence[Proposal], options: InitOptions, questions: Questions) -> Callable[[Proposal], bool]:
    if options.utilities is not None:
        names = [name.strip() for name in options.utilities.split(",") if name.strip()]
        known = {proposal.section: proposal for proposal in proposals}
        for name in names:
            if name not in ("all", "none") and (name not in known or known[name].incomplete):
                ready = [one for one in known if not known[one].incomplete]
                raise UsageError(
                    f"--utilities {name} cannot be set up by what this home says of itself",
                    hint=f"it can be all, none, or of {', '.join(ready) or 'none'}; docs/utilities/README.md",
                )
        return lambda proposal: "all" in names or proposal.section in names
    if not questions.asks:  # nobody outside is asked, unless a person says so
        return lambda proposal: not proposal.tells
    return lambda proposal: questions.confirm(_question(proposal), True)


def _question(proposal: Proposal) -> str:
    found = f" {proposal.found}." if proposal.found else ""
    asks = f"Ask {proposal.tells} (which hears about where you live)?" if proposal.tells else "Use that?"
    return f"{proposal.why}{found} {asks}"


def _given(file: Path | None, option: str, variable: str) -> _Secret | None:
    """Return a token that was given by an option or in the environment. Raises SettingsError."""
    named = file or Path(os.environ.get(f"{variable}_FILE", ""))
    if file is None and os.environ.get(variable):
        return _Secret(os.environ[variable])
    if str(named) in ("", "."):
        return None
    text = secret_in(option if file else f"{variable}_FILE", str(named))
    if not text:
        raise SettingsError(
            f"{option if file else f'{variable}_FILE'} names {named}, which is empty", hint="write the token into it"
        )
    return _Secret(text, named.expanduser().absolute())


def _kept(files: Files, token: _Secret, file: Path) -> Path:
    """Return the file in which a token stands; one that was typed gets one of its own, which only its owner may read."""
    if token.file is not None:
        return token.file
    _put(files, file, token.text + "\n")
    return file


def _write(files: Files, file: Path, text: str) -> None:
    """Write the settings and the schema; the settings that were there stay beside them."""
    if file.exists():
        _put(files, file.with_name(f"{file.name}.old"), file.read_text(encoding="utf-8", errors="replace"))
    _put(files, file.with_name("homeiq.schema.json"), schema_text())
    _put(files, file, text)


def _put(files: Files, file: Path, text: str) -> None:
    try:
        files.write_whole(file, text.encode())
    except OSError as error:
        raise SettingsError(f"{file} cannot be written ({error.strerror})", hint="name another by --config") from None


def _history(data_dir: Path, home: Home, options: InitOptions, questions: Questions) -> None:
    """Import what Home Assistant has recorded before, if that is wanted; else say how."""
    database = options.history or next(_databases(), None)
    if database is not None:
        size = database.stat().st_size / 1e6 if database.is_file() else 0
        if options.history or (
            questions.asks and questions.confirm(f"Import the old history, {database} ({size:,.0f} MB)?", True)
        ):
            from .importing import import_home_assistant

            import_home_assistant(data_dir, database, False)
            return
        say(f"the old history can be imported at any time: homeiq import home-assistant {database}")
        return
    if "history" in home.config.get("components", ["history"]):
        say(
            "what Home Assistant has recorded before comes, while homeiq runs, by homeiq backfill --since 10d;\n"
            "all of it, from a copy of its home-assistant_v2.db, by homeiq import home-assistant FILE"
        )


def _databases() -> Iterator[Path]:
    """Yield Home Assistant's databases on this machine, at the places where they usually lie."""
    home = Path.home()
    folders = [Path("/config"), home / ".homeassistant", home / "homeassistant", home / "homeassistant" / "config"]
    folders += [Path("/homeassistant"), Path("/usr/share/hassio/homeassistant"), Path("/var/lib/homeassistant")]
    folders += [Path("/home/homeassistant/.homeassistant"), Path("/opt/homeassistant"), Path("/srv/homeassistant")]
    for folder in folders:
        file = folder / "home-assistant_v2.db"
        if os.access(file, os.R_OK):
            yield file
