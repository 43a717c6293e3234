import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventwire.models.language import READ, tell

FEEDS = Path(__file__).parents[2] / "shared" / "feeds"

ENGLISH = (
    "Rebels shelled the port of Aden on Tuesday, a day after the government had summoned the envoy."
)
FOREIGN = {
    "de": (
        "Die Regierung in Berlin hat am Dienstag den Botschafter einbestellt, nachdem Soldaten "
        "an der Grenze zwei Männer festgenommen hatten. Der Außenminister sagte, man erwarte "
        "eine Erklärung und werde über weitere Schritte beraten. In der Hauptstadt "
        "demonstrierten tausende Menschen gegen die neuen Gesetze."
    ),
    "fr": (
        "Le gouvernement a convoqué mardi l’ambassadeur après l’arrestation de deux hommes à "
        "la frontière. Le ministre des Affaires étrangères a déclaré qu’il attendait une "
        "explication et que d’autres mesures seraient examinées. Des milliers de personnes ont "
        "manifesté dans la capitale contre les nouvelles lois."
    ),
    "es": (
        "El Gobierno convocó el martes al embajador después de que los soldados detuvieran a "
        "dos hombres en la frontera. El ministro de Exteriores dijo que espera una explicación "
        "y que se estudiarán otras medidas. Miles de personas se manifestaron en la capital "
        "contra las nuevas leyes."
    ),
    "ru": (
        "Правительство во вторник вызвало посла после того, как солдаты задержали на границе "
        "двух мужчин. Министр иностранных дел заявил, что ждёт объяснений и что будут "
        "рассмотрены дальнейшие шаги. В столице тысячи людей вышли на улицы против новых "
        "законов."
    ),
    "ar": (
        "استدعت الحكومة السفير يوم الثلاثاء بعد أن احتجز الجنود رجلين على الحدود. وقال وزير "
        "الخارجية إنه ينتظر تفسيرا وإن خطوات أخرى ستبحث. وتظاهر آلاف الأشخاص في العاصمة ضد "
        "القوانين الجديدة."
    ),
    "zh": (
        "周二，士兵在边境拘留两名男子后，政府召见了大使。外交部长表示，他期待对方作出解释"
        "，并将研究进一步措施。数千人在首都示威，反对新的法律。当地居民说，示威活动持续到"
        "深夜，警方没有干预。"
    ),
    "id": (
        "Pemerintah memanggil duta besar pada hari Selasa setelah tentara menahan dua pria di "
        "perbatasan. Menteri luar negeri mengatakan ia menunggu penjelasan dan langkah lain "
        "akan dibahas. Ribuan orang berunjuk rasa di ibu kota menentang undang-undang baru."
    ),
    "nl": (
        "De regering heeft dinsdag de ambassadeur ontboden nadat soldaten aan de grens twee "
        "mannen hadden aangehouden. De minister van Buitenlandse Zaken zei dat hij uitleg "
        "verwacht en dat verdere stappen worden besproken. In de hoofdstad betoogden duizenden "
        "mensen tegen de nieuwe wetten."
    ),
    "it": (
        "Martedì il governo ha convocato l’ambasciatore dopo che i soldati avevano fermato due "
        "uomini alla frontiera. Il ministro degli Esteri ha detto di attendere una spiegazione "
        "e che saranno valutate altre misure. Migliaia di persone hanno manifestato nella "
        "capitale contro le nuove leggi."
    ),
    "pt": (
        "O governo convocou o embaixador na terça-feira depois que soldados detiveram dois "
        "homens na fronteira. O ministro das Relações Exteriores disse que espera uma "
        "explicação e que outras medidas serão estudadas. Milhares de pessoas protestaram na "
        "capital contra as novas leis."
    ),
    "tr": (
        "Hükümet, askerlerin sınırda iki kişiyi gözaltına almasının ardından salı günü "
        "büyükelçiyi çağırdı. Dışişleri bakanı açıklama beklediğini ve başka adımların "
        "görüşüleceğini söyledi. Başkentte binlerce kişi yeni yasaları protesto etti."
    ),
    "pl": (
        "Rząd wezwał we wtorek ambasadora po tym, jak żołnierze zatrzymali na granicy dwóch "
        "mężczyzn. Minister spraw zagranicznych powiedział, że oczekuje wyjaśnień i że "
        "rozważane będą dalsze kroki. Tysiące ludzi protestowało w stolicy przeciwko nowym "
        "ustawom."
    ),
    "sw": (
        "Serikali ilimwita balozi siku ya Jumanne baada ya wanajeshi kuwakamata wanaume wawili "
        "mpakani. Waziri wa mambo ya nje alisema anasubiri maelezo na kwamba hatua nyingine "
        "zitajadiliwa. Maelfu ya watu waliandamana katika mji mkuu kupinga sheria mpya."
    ),
    "af": (
        "Die regering het die ambassadeur Dinsdag ontbied nadat soldate twee mans by die grens "
        "aangehou het. Die minister van buitelandse sake het gesê hy wag op 'n verduideliking "
        "en dat verdere stappe bespreek sal word. Duisende mense het in die hoofstad teen die "
        "nuwe wette betoog."
    ),
}


def is_english(text: str, declared: str | None) -> bool:
    return tell(text, declared) in READ


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_the_language_of_what_is_refused_is_told(language: str) -> None:
    assert tell(FOREIGN[language]) == language
    assert tell(ENGLISH, f" {language.upper()}-XX") == language


@pytest.mark.parametrize("declared", ["en", "EN", "en-GB", "en_US", " en ", "eng", "English"])
def test_a_text_declared_english_is_read_whatever_it_looks_like(declared: str) -> None:
    assert is_english(FOREIGN["de"], declared)


@pytest.mark.parametrize("declared", ["fr", "FR", "fr-CA", "pt_BR", "zh-Hans-CN"])
def test_a_text_declared_foreign_is_refused_whatever_it_looks_like(declared: str) -> None:
    assert not is_english(ENGLISH, declared)


@pytest.mark.parametrize(
    "declared", [None, "", "und", "xx", "en glish", "n/a", "\0", "-", "x" * 9999]
)
def test_what_is_no_language_tag_counts_for_nothing(declared: str | None) -> None:
    assert is_english(ENGLISH, declared)
    assert not is_english(FOREIGN["de"], declared)


@pytest.mark.parametrize("language", FOREIGN)
def test_foreign_paragraphs_are_refused(language: str) -> None:
    assert not is_english(FOREIGN[language], None)


@pytest.mark.parametrize("language", FOREIGN)
def test_the_first_words_of_foreign_articles_are_refused(language: str) -> None:
    assert not is_english(FOREIGN[language][:150], None)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        "Recep Tayyip Erdogan, Mevlut Cavusoglu, Hulusi Akar and Suleyman Soylu met.",
        "The Fuerzas Armadas Revolucionarias de Colombia freed Ingrid Betancourt near San Jose del "
        "Guaviare, and Nicolas Sarkozy, Alvaro Uribe and Yolanda Pulecio met her on the runway.",
        "police in las vegas detained two men on tuesday after a fight in front of the hotel",
        "POLICE IN LAS VEGAS DETAINED TWO MEN ON TUESDAY AFTER A FIGHT IN FRONT OF THE HOTEL",
    ],
)
def test_english_full_of_names_or_without_case_is_read(text: str) -> None:
    assert is_english(text, None)


@pytest.mark.parametrize(
    "text", ["", "Kabul", "Al-Shabaab, Mogadishu", "Nein.", "1234 " * 100, "." * 500]
)
def test_a_text_that_tells_no_language_is_read(text: str) -> None:
    assert is_english(text, None)


def test_lone_surrogates_and_nul_do_no_harm() -> None:
    assert is_english(f"\ud83d\0{ENGLISH}", None)


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    is_english(ENGLISH, None)
    text = ENGLISH * 100_000
    started = time.process_time()
    assert is_english(text, None)
    assert time.process_time() - started < 0.5


def test_importing_the_module_loads_no_model() -> None:
    code = "import sys, eventwire.models.language; sys.exit('py3langid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("feed", ["guardian", "world", "unseen", "bbc", "seed"])
def test_no_article_of_the_english_feeds_is_refused(feed: str) -> None:
    file = FEEDS / f"{feed}.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    articles = [json.loads(line) for line in file.open(encoding="utf-8")]
    assert not [article["id"] for article in articles if not is_english(article["text"], None)]
