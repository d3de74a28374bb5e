"""Golden cases: before.yaml, by-hand.yaml and recommended.yaml give merged.yaml, or conflict.txt where the
file is left as it is (rewritten by --update-cases)."""

from pathlib import Path

import pytest
import yaml

from pipeline.recommend.merge import MergeError, merge
from pipeline.recommend.render import to_yaml

CASES = Path(__file__).parents[2] / "cases" / "pull"


def outcome(case: Path) -> dict[str, str]:
    """The name and the content of the file that the case gives."""
    texts = ((case / f"{name}.yaml").read_text() for name in ("before", "by-hand", "recommended"))
    try:
        return {"merged.yaml": merge(*texts)}
    except MergeError as error:
        return {"conflict.txt": "\n".join(error.reasons) + "\n"}


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_edits_by_hand_and_recommendations_give_what_is_on_file(case, pytestconfig):
    found = outcome(case)
    files = [case / "merged.yaml", case / "conflict.txt"]
    if pytestconfig.getoption("--update-cases"):
        for file in files:
            file.unlink(missing_ok=True)
        for name, content in found.items():
            (case / name).write_text(content)
    assert found == {file.name: file.read_text() for file in files if file.exists()}
    assert [*found] == (["conflict.txt"] if case.name.startswith("conflict-") else ["merged.yaml"])


@pytest.mark.parametrize("case", sorted(CASES.glob("*/merged.yaml")), ids=lambda file: file.parent.name)
def test_what_was_merged_keeps_every_line_that_a_person_wrote(case):
    before, by_hand = (
        (case.parent / f"{name}.yaml").read_text().splitlines() for name in ("before", "by-hand")
    )
    merged = case.read_text().splitlines()
    own = {line.strip() for line in by_hand} - {line.strip() for line in before}
    left = own - {line.strip() for line in merged}
    assert {line.partition(":")[0] for line in left} <= {"order", "ports"}  # what was recommended anew
    assert [line for line in merged if "#" in line] == [line for line in by_hand if "#" in line]


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_what_is_recommended_is_written_as_it_is_rendered(case):
    for name in ("before", "recommended"):
        text = (case / f"{name}.yaml").read_text()
        assert to_yaml(yaml.safe_load(text)) == text


WRONG = ["2024-13-45", "&a [*a]", "!!python/object:os.system {}", "{[a]: b}", "\x07", "1" * 5000, "*nowhere"]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: value[:20])
def test_whatever_a_person_wrote_is_a_conflict_in_words_at_worst(value):
    before, recommended = to_yaml({"spec": {"order": 1}}), to_yaml({"spec": {"order": 2}})
    with pytest.raises(MergeError) as told:
        merge(before, f"{before}more: {value}\nspec: 1\n", recommended)
    assert "\n" not in told.value.reasons[0]
