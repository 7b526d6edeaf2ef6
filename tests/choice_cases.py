"""Makes `choice_cases.json`: what the installed Home Assistant decides. Run: python tests/choice_cases.py"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

ENTITIES = [f"{domain}.{name}" for domain in ("light", "sensor", "switch") for name in ("a", "b", "ab", "a_1")]
PARTS = {
    "domains": [[], ["light"], ["sensor"]],
    "entities": [[], ["light.a"], ["sensor.b", "switch.ab"]],
    "entity_globs": [[], ["*.a*"], ["sens?r.[!a]", "switch.*_1"]],
}


def main() -> None:
    """Ask for each combination of what can be included and excluded."""
    from servers.home_assistant import INSTALLATION
    from test_choice import ASK

    parts = [
        {key: values for key, values in zip(PARTS, combination, strict=True) if values}
        for combination in itertools.product(*PARTS.values())
    ]
    choices = [{"include": one, "exclude": other} for one, other in itertools.product(parts, repeat=2)]
    lines = "".join(json.dumps([choice, ENTITIES]) + "\n" for choice in choices)
    python = INSTALLATION.path.parent / "python"
    answer = subprocess.run([python, "-I", "-c", ASK], input=lines, capture_output=True, text=True, check=True)
    decided = ["".join(str(int(wanted)) for wanted in json.loads(line)) for line in answer.stdout.splitlines()]
    cases = ",\n".join(json.dumps(case) for case in zip(choices, decided, strict=True))
    (ROOT / "choice_cases.json").write_text(f'{{"entities": {json.dumps(ENTITIES)},\n"cases": [\n{cases}\n]}}\n')


if __name__ == "__main__":
    main()
