import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match.trace import Hit, HitError, normalise, parse_hit, render

names = st.from_regex(r"[a-z0-9]([-.a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
actions = st.sampled_from(("allow", "deny", "pass"))
indexes, rules = st.integers(0, 99), st.integers(-2, 2000)
hits = st.one_of(
    st.builds(
        Hit, indexes, labels, st.sampled_from(("gnp", "sgnp", "kcnp")), st.just(""), names, actions, rules
    ),
    st.builds(
        Hit, indexes, labels, st.sampled_from(("np", "snp", "knp", "sknp")), labels, names, actions, rules
    ),
    st.builds(
        Hit,
        indexes,
        st.just("__PROFILE__"),
        st.just("pro"),
        st.just(""),
        names.map("kns.{}".format),
        actions,
        rules,
    ),
)

OLD_AND_NEW = [
    ("0|default|default.p|allow|0", "0|default|gnp:p|allow|0"),
    ("0|sec|sec.p|allow|0", "0|sec|gnp:sec.p|allow|0"),
    ("0|sec|ns/sec.staged:p|deny|-1", "0|sec|snp:ns/sec.p|deny|-1"),
    ("0|sec|ns/staged:sec.p|deny|-1", "0|sec|snp:ns/sec.p|deny|-1"),
    ("1|default|ns/knp.default.p|allow|2", "1|default|knp:ns/p|allow|2"),
    ("1|default|ns/staged:knp.default.p|allow|2", "1|default|sknp:ns/p|allow|2"),
    ("0|kube-admin|kcnp.kube-admin.p|pass|1", "0|kube-admin|kcnp:p|pass|1"),
    ("0|adminnetworkpolicy|kanp.adminnetworkpolicy.p|pass|1", "0|adminnetworkpolicy|kcnp:p|pass|1"),
    ("2|__PROFILE__|__PROFILE__.kns.ns|allow|0", "2|__PROFILE__|pro:kns.ns|allow|0"),
    ("0|sec|gnp:p|allow", "0|sec|gnp:p|allow|-2"),
]
NO_PROFILE = ["0|__PROFILE__|pro:__NO_MATCH__|deny|0", "0|__PROFILE__|pro:__PROFILE__|deny|-1"]
REFUSED = [
    ("", "is not of the form"),
    ("0|sec|gnp:p", "is not of the form"),
    ("-1|sec|gnp:p|allow|0", "is not of the form"),
    ("0|sec|gnp:p|allow|-3", "rule index -3"),
    ("0|sec|gnp:p|log|0", "the action 'log'"),
    ("0|sec|np:p|allow|0", "no policy of any kind"),
    ("0|sec|gnp:ns/p|allow|0", "no policy of any kind"),
    ("0|sec|pro:kns.ns|allow|0", "outside the tier"),
    ("0|__PROFILE__|gnp:p|allow|0", "outside the tier"),
]


@given(hits)
def test_what_is_written_is_read_again(hit):
    assert parse_hit(str(hit)) == hit


@given(st.lists(hits, unique_by=lambda hit: hit.index), st.randoms())
def test_a_trace_does_not_depend_on_the_order_it_came_in(trace, random):
    texts = list(render(trace))
    random.shuffle(texts)
    assert normalise(texts) == render(sorted(trace, key=lambda hit: hit.index))


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_an_older_spelling_becomes_todays(old, new):
    assert normalise([old]) == (new,)


@pytest.mark.parametrize("text", NO_PROFILE)
def test_both_spellings_of_no_profile_are_read(text):
    assert normalise([text]) == (text,)


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_hit_is_refused_with_a_reason(text, reason):
    with pytest.raises(HitError, match=reason):
        parse_hit(text)


def test_hits_are_ordered_by_index_as_numbers():
    assert normalise(["10|sec|gnp:p|pass|0", "9|sec|gnp:p|pass|0"])[0].startswith("9|")
