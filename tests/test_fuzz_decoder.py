import fuzz_decoder


def test_every_input_that_the_fuzzer_has_kept_is_an_article_or_refused_in_one_harmless_line() -> (
    None
):
    for value, headers in fuzz_decoder.seeds():
        fuzz_decoder.check(value, headers)


def test_twenty_thousand_new_inputs_break_nothing() -> None:
    fuzz_decoder.fuzz(20_000, seed=6)
