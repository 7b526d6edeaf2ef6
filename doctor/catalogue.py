"""Every finding by its code: what it means, why that is so, what to do. `docs/findings.md` is made of it.

Renew the page with: python -m homeiq.doctor.catalogue docs/findings.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["CATALOGUE", "Explained", "page"]


class Explained(NamedTuple):
    """A finding in three sentences or so each."""

    means: str
    why: str
    do: str


_FINE = "Nothing."

CATALOGUE: Final[dict[str, Explained]] = {
    "check-failed": Explained(
        "A part of the diagnosis could not be made; the rest stands.",
        "The part itself met something that it did not expect. It is wrong where nobody can say Yes without this part.",
        "Run `homeiq -v doctor` and report what it says, if the sentence names an error in homeiq itself.",
    ),
    "check-timeout": Explained(
        "A part of the diagnosis took too long, and was left.",
        "A disk or a server that answers very slowly, or not at all.",
        "Look at the machine's load and disk, then run it again; `homeiq doctor --full` waits as long as it takes.",
    ),
    "clock-skew": Explained(
        "The clocks of this machine and of Home Assistant's differ by more than 5 seconds.",
        "Events carry Home Assistant's time. Gaps are closed with a margin of a minute, so that a greater difference may"
        " leave states out; ages and delays that are shown are wrong by it.",
        "Have both machines take their time from the network: `timedatectl set-ntp true`.",
    ),
    "disk-full": Explained(
        "There is next to no room left on the disk of the data folder.",
        "The recorder needs room for each group, and for sealing. What it can't write it holds in memory, and then drops.",
        "Make room there, or move the data folder. `retention` in homeiq.yaml lets old records expire (docs/retention.md).",
    ),
    "disk-full-soon": Explained(
        "At the rate of the last 24 hours the disk will be full within 30 days; wrong if within 2.",
        "The log grows with every event, and so do the points where they are kept in the data folder.",
        "Make room, set `retention`, or record less (docs/choice.md).",
    ),
    "events-come": Explained("Events came in the last 24 hours.", "They lie in the log, with their source.", _FINE),
    "events-dropped": Explained(
        "Since its start the recorder had to drop events.",
        "The disk did not keep up, and the memory for waiting events (`recording.buffer_bytes`) was full. The interval is"
        " in the log as a gap.",
        "See `homeiq gaps`; states are fetched from Home Assistant's history by themselves, or by `homeiq backfill`.",
    ),
    "follower-behind": Explained(
        "The log is being projected, but records wait there for more than a minute.",
        "After an outage, or while old days are made anew, there is more to do than usual. It moves.",
        "Wait; the sentence says for about how long.",
    ),
    "follower-not-running": Explained(
        "No process brings the log into this target. It is wrong where records wait.",
        "`homeiq record` does not do it, `homeiq run` does; or the second process of `homeiq run` can't start.",
        "Use `homeiq run`, or `homeiq replay --follow` beside `homeiq record`. Nothing is lost: it goes on where it was.",
    ),
    "follower-running": Explained(
        "A process brings the log into this target as it grows.", "That is as it should be.", _FINE
    ),
    "follower-stuck": Explained(
        "A process follows the log into this target, records wait for more than a minute, and its position does not move.",
        "The target does not take points (another finding then says why), or the process itself hangs.",
        "Mend what the findings about the target say: it goes on by itself. Else end the process; `homeiq run` starts it"
        " again.",
    ),
    "gaps-not-closed": Explained(
        "Home Assistant was not listened to for a while, and the states of that time are not fetched yet, or not all.",
        "They are fetched when it is connected again, from its own history; that takes a while, and is given up where its"
        " history does not reach back so far.",
        "Wait if it has just come back. `homeiq gaps` says how far each was closed; `homeiq backfill --since` asks again.",
    ),
    "history-shorter-than-gap": Explained(
        "A gap lasted longer than Home Assistant's own history reaches back.",
        "It keeps states for `purge_keep_days` (10 by default), and does not tell for how many: what was asked is whether"
        " it has anything from so many days ago. A new installation has less.",
        "Raise `purge_keep_days` of its recorder above the longest outage that you want to survive.",
    ),
    "home-assistant-answers": Explained("Home Assistant lets homeiq in.", "Address and token are right.", _FINE),
    "home-assistant-not-configured": Explained(
        "Address or token of Home Assistant is not set.",
        "Without both it can't be listened to; events by POST and utilities are recorded all the same.",
        "Run `homeiq init`, or set what the sentence names.",
    ),
    "home-assistant-not-connected": Explained(
        "The recorder runs, and is not connected to Home Assistant.",
        "The sentence has the reason, and since when.",
        "It tries again by itself. Mend what the reason names; states of the meantime are fetched afterwards.",
    ),
    "home-assistant-token-not-admin": Explained(
        "The token belongs to a user without administrator rights.",
        "Home Assistant lets such a user hear states and registries only: no calls of services, no other events.",
        "If you want those too, make the token as an administrator.",
    ),
    "home-assistant-token-refused": Explained(
        "Home Assistant does not accept the token.",
        "It was deleted, belongs to another Home Assistant, or was copied with a part missing.",
        "Make a new long-lived access token in your profile there, set it, and start homeiq again.",
    ),
    "home-assistant-unreachable": Explained(
        "There is no answer at Home Assistant's address from this machine.",
        "It is down or restarts, the address or port is another, or a network or firewall lies between.",
        "Open the address from this machine; set `home_assistant.url` if it is wrong.",
    ),
    "home-assistant-without-history": Explained(
        "Home Assistant runs without its recorder or history.",
        "Then it can't say what happened while homeiq was not listening: gaps stay open.",
        "Add `recorder:` and `history:`, or `default_config:`, to its configuration.yaml.",
    ),
    "home-assistant-wrong-service": Explained(
        "Something answers at Home Assistant's address, and it is not Home Assistant.",
        "Another port, a proxy, or a page that asks for a log-in stands there.",
        "Set `home_assistant.url` to Home Assistant itself.",
    ),
    "http-open": Explained(
        "The recorder's HTTP could be reached from other machines without a token, and so does not listen.",
        "Anybody in the network could send it events.",
        "Set `http.token`, or `http.host: 127.0.0.1`.",
    ),
    "influxdb-bucket-missing": Explained(
        "InfluxDB has no such organisation, bucket or database.",
        "Its name is another, or it was never made. homeiq makes none, as its retention is your decision.",
        "Make it by what the remedy says, or set `influxdb.org` and `influxdb.bucket`. The log is projected then.",
    ),
    "influxdb-emptied": Explained(
        "The ledger says that points were written to this target, and it holds none.",
        "It was emptied, or exchanged for a new one.",
        "Nothing: the follower notices it within a minute or so and projects the whole log anew.",
    ),
    "influxdb-limited": Explained(
        "The server or the token does not allow all that homeiq would do there.",
        "The sentence says what: to read back, to remove points, or to know the retention.",
        "Points are written all the same. docs/targets.md says what each kind of server can do, and which rights it needs.",
    ),
    "influxdb-of-another-log": Explained(
        "The marker in this bucket says that another log writes there, so that this one does not.",
        "Two logs in one bucket would remove each other's points. A new or restored data folder is another log too.",
        "Name another bucket, or take this one over with `homeiq replay --adopt`.",
    ),
    "influxdb-probe-stays": Explained(
        "The point that the doctor wrote could not be removed.",
        "The server did not delete it. It is alone in the measurement `homeiq_doctor`, which nothing reads.",
        "Remove it by what the remedy says, or leave it.",
    ),
    "influxdb-refused": Explained(
        "InfluxDB is there, and refuses the token.",
        "It is not set, was deleted, or may not write to this bucket. On 1.8 it is `user:password`.",
        "Make a token that may read and write in this bucket, and set it as `influxdb.token` or INFLUXDB_TOKEN.",
    ),
    "influxdb-unreachable": Explained(
        "InfluxDB does not answer at its address, or not in time.",
        "It is down, the address is another, or it has more to do than it can.",
        "Start it, or set `influxdb.url`. Recording goes on meanwhile; what waits is projected then.",
    ),
    "influxdb-write-lost": Explained(
        "InfluxDB said that a point was written, and does not give it back.",
        "What answers is not an InfluxDB, or another bucket is read than is written to (`influx v1 dbrp list`).",
        "Look at what stands at this address; a proxy may answer in its place.",
    ),
    "influxdb-write-refused": Explained(
        "InfluxDB is there, and does not take a point.",
        "Its disk is full, or it is not in order; the sentence has its own words.",
        "Look at its log. What waits is projected once it takes points again.",
    ),
    "influxdb-writes": Explained("A point was written and read back.", "Address, token and bucket are right.", _FINE),
    "log-damaged": Explained(
        "Some of the log is missing, or not what was written.",
        "A disk that fails, or a file that was changed or removed by hand.",
        "`homeiq verify` lists it. `homeiq mend` brings it back from a backup, or saves what can be read: docs/damage.md.",
    ),
    "log-foreign-file": Explained(
        "A file lies in the log's folder that is none of the log's.",
        "Somebody put it there, or it is superseded. Nothing reads it.",
        "Move it away if you know what it is.",
    ),
    "log-missing": Explained(
        "There is no log in the data folder.",
        "Nothing was recorded yet, or the folder is another: `--data-dir`, HOMEIQ_DATA_DIR, `data_dir` in homeiq.yaml.",
        "Run `homeiq init` and `homeiq run`, or name the folder.",
    ),
    "log-not-writable": Explained(
        "This user may not write to the log.",
        "The folder belongs to another user: the one of the service, say.",
        "Run homeiq as that user, or change the owner.",
    ),
    "log-quarantine": Explained(
        "Bytes that were damaged or foreign were moved aside.",
        "After a power failure the end of the tail may be torn; what was not acknowledged counts for nothing.",
        "A note lies beside each. Nothing needs to be done; remove them when you have seen them.",
    ),
    "log-unreadable": Explained(
        "The log, or the ledger beside it, can't be read.",
        "A newer homeiq wrote it, its files are damaged, or this user may not read them; the sentence says which.",
        "Update homeiq, run `homeiq verify`, or give read permission.",
    ),
    "log-whole": Explained(
        "The log is whole, as far as was looked at.",
        "Names, footers, tails and the newest segment were; with `--full` every record.",
        _FINE,
    ),
    "no-events": Explained(
        "Nothing came in the last 24 hours.",
        "No source is connected, or none says anything.",
        "The findings about recorder and sources say why.",
    ),
    "normalizer-changed": Explained(
        "Some days are in the target as an older normalizer, or another configuration of it, made them.",
        "homeiq was updated, or a rule was changed. Old days are not rewritten without being asked for.",
        "`homeiq replay --stale` makes them anew; `--plan` says first what would change.",
    ),
    "normalizer-fails": Explained(
        "A normalizer failed on some events; their points are missing.",
        "The events hold something that it does not expect. They are in the log, and are set aside.",
        "`homeiq status --json` has the traceback. Once it is mended, `homeiq replay --stale` makes the days anew.",
    ),
    "normalizer-unusable": Explained(
        "A normalizer of yours, or of a plug-in, can't be loaded.",
        "The sentence has the reason. The rest goes on without it.",
        "Mend it; `homeiq normalize test FILE` tries it out.",
    ),
    "points-of-others": Explained(
        "There are points in our measurements that have no field `origin`: another system wrote them, not lately.",
        "An older system used the same names. homeiq never changes or removes them. There are at least so many: a point"
        " that shares its series with ours, and has none of its fields more often, is not told apart.",
        "Nothing.",
    ),
    "points-of-others-now": Explained(
        "Another system writes to the same measurements, and did so in the last 24 hours.",
        "An older recorder still runs, or Home Assistant's own influxdb integration does. Graphs then show both.",
        "Stop the other one, or give homeiq a bucket of its own.",
    ),
    "points-refused": Explained(
        "The target refused some points for good.",
        "Most often a field had another type before, in points of another system.",
        "`homeiq dead-letters --show` has the reason of each; `--retry` tries them again after it is mended.",
    ),
    "recorder-hears-nothing": Explained(
        "The recorder is connected, and no event came for longer than `recording.silence_after_minutes`.",
        "Home Assistant hangs, or the home is very quiet.",
        "Look whether Home Assistant shows changes; raise the setting if that is usual.",
    ),
    "recorder-not-ready": Explained(
        "The recorder runs, and says that it can't do its work.",
        "The sentence is its own.",
        "Do what it says; `homeiq status` has the rest.",
    ),
    "recorder-not-running": Explained(
        "No recorder runs on this data folder: nothing is recorded.",
        "It was never started, or it ended; its log says why.",
        "`homeiq run`. States of the meantime are fetched from Home Assistant's history.",
    ),
    "recorder-of-another-version": Explained(
        "The recorder that runs is of another version than this command.",
        "homeiq was updated, and not started again.",
        "Start it again.",
    ),
    "recorder-ready": Explained("The recorder runs and is ready.", "It is connected, and can write.", _FINE),
    "recorder-silent": Explained(
        "A recorder holds the data folder's socket, and does not answer.",
        "It hangs, most often on its disk.",
        "Look at its log and at the disk; start it again.",
    ),
    "settings-not-in-effect": Explained(
        "homeiq.yaml was changed after the recorder had started.",
        "Settings are read at the start only.",
        "Start it again.",
    ),
    "settings-read": Explained("The settings can be read.", "All names and values are known.", _FINE),
    "settings-wrong": Explained(
        "The settings can't be read, so that nothing starts.",
        "The sentence names the setting, or the line of the file.",
        "Correct it. The README has all settings.",
    ),
    "source-connected": Explained(
        "A source is being listened to, or was asked in its turn.", "Its events come.", _FINE
    ),
    "source-failing": Explained(
        "A utility does not answer as it should.",
        "The sentence has the reason. It is asked again later and later; the rest goes on.",
        "Mend what the reason names: a key, an address; or wait for the service.",
    ),
    "source-not-asked-yet": Explained(
        "A utility's first turn has not come yet.", "Each has its own, spread over the first seconds.", "Nothing."
    ),
    "source-not-configured": Explained(
        "A utility has a section in homeiq.yaml, and lacks a setting.",
        "Without it nothing can be asked.",
        "Set what the sentence names.",
    ),
    "source-warning": Explained(
        "A source says something that a person should know.",
        "The sentence is its own.",
        "As it says.",
    ),
    "target-not-writable": Explained(
        "The folder or file that points go to can't be written by this user.",
        "It belongs to another user, or lies on a disk that is read-only.",
        "Change the owner, or run homeiq as the user who owns it.",
    ),
    "target-writable": Explained(
        "The folder or file that points go to can be written.", "It is as it should be.", _FINE
    ),
    "unit-unknown": Explained(
        "A sensor says a unit that Home Assistant does not know for what it measures; its values are written as they came.",
        "Home Assistant takes any text for a unit: a template, an MQTT device or a script may say F for °F. So it can't be"
        " converted, and stands beside values in another unit. Only sensors that said something lately are looked at.",
        "Say in a rule which unit it is (`docs/normalizers.md`), start homeiq again, and let the past be made anew:"
        " `homeiq replay --stale`. The raw events stay as they are. Or mend the unit where it is said, which helps from now"
        " on.",
    ),
    "windows-stale": Explained(
        "Some days of this target must be made anew from the log.",
        "Records came late, a replay was interrupted, or the target was exchanged; the sentence says which.",
        "A follower does it by itself. Without one: `homeiq replay --stale`.",
    ),
}
"""In the order of the codes, which is that of the page."""


def page() -> str:
    """Return the page of the documentation."""
    parts = [
        "# What `homeiq doctor` finds\n\nMade from `doctor/catalogue.py`. Each finding is *wrong* (exit code 1: something"
        " is not recorded or not written, or can't be), needs *attention*, or says what works.\n"
    ]
    for code, explained in CATALOGUE.items():
        parts.append(f"## {code}\n\n{explained.means}\n\n**Why:** {explained.why}\n\n**What to do:** {explained.do}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
