import random

import fuzz_decoder
import pytest


def test_every_input_that_the_fuzzer_has_kept_is_an_article_or_refused_in_one_harmless_line() -> (
    None
):
    for value, headers in fuzz_decoder.seeds():
        fuzz_decoder.check(value, headers)


def test_twenty_thousand_new_inputs_break_nothing() -> None:
    fuzz_decoder.fuzz(20_000, seed=6)


@pytest.mark.soak
def test_a_million_other_inputs_break_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(10**6)
    new = fuzz_decoder.fuzz(1_000_000, seed)
    with capsys.disabled():
        print(
            f"\n1,000,000 inputs to the decoder, seed {seed}; {len(new)} kinds of answers were new"
        )
