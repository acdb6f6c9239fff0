"""What do scikit-learn, pandas and tokenizers make of the same data?

Writes tests/fixtures/transforms.json: fresh random columns with what the peers' transforms make of them, and texts with the ids
that a tokenizer.json gives them. Unit tests of crates/data-loader/src/transforms compare ours with these.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn pandas tokenizers
    /tmp/venv/bin/python tests/peers/transforms_sklearn.py          # keeps the committed seed
    /tmp/venv/bin/python tests/peers/transforms_sklearn.py 12345 FILE    # another seed, elsewhere

`FIREBOX_TRANSFORMS=FILE` makes the tests read that.
"""

import hashlib
import json
import pathlib
import sys
import warnings

import numpy as np
import pandas as pd
import sklearn.impute
import sklearn.preprocessing as sk
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 20261
random = np.random.default_rng(SEED)
# 33 rows have quantiles at 32nds, which are exact in binary: else scikit-learn's own rounding decides where equal values begin.
TRAIN, NEW = 33, 12
CASES = []


def column(kind):
    """A column of numbers; the new rows lie partly beyond those of the training part."""
    values = {
        "normal": lambda n: random.normal(5, 3, n),
        "heavy": lambda n: random.standard_cauchy(n) * 10,
        "ties": lambda n: random.integers(-2, 4, n).astype(float),
        "positive": lambda n: random.lognormal(2, 2, n),
        "constant": lambda n: np.full(n, 0.1 + 0.2),
    }[kind]
    train, new = values(TRAIN), values(NEW)
    if kind != "constant":
        new[0], new[1] = train.max() + 1, train.min() - 0.5
    # Numbers that JSON and both programs read alike.
    return np.round(train, 4), np.round(new, 4)


def with_gaps(values):
    values = values.copy()
    values[random.choice(len(values), len(values) // 5, replace=False)] = np.nan
    return values


def cells(matrix):
    return [[None if isinstance(cell, float) and np.isnan(cell) else cell for cell in row] for row in matrix]


def case(name, transforms, features, train, new, expected, columns, target=None, folds=None):
    CASES.append({
        "name": name, "transforms": transforms, "features": features, "target": target, "train": cells(train),
        "new": cells(new), "expected": cells(expected), "columns": columns, "folds": folds,
    })


def numbers(name, transforms, peer, kinds, gaps=False):
    pairs = [column(kind) for kind in kinds]
    train, new = (np.stack([pair[i] for pair in pairs], axis=1) for i in (0, 1))
    if gaps:
        train, new = (np.apply_along_axis(with_gaps, 0, part) for part in (train, new))
    names = [f"x{i}" for i in range(len(kinds))]
    expected = peer.fit(train).transform(new).astype(float).tolist()
    case(name, transforms, {n: "number" for n in names}, train.tolist(), new.tolist(), expected, names)


ALL = ["normal", "heavy", "ties", "positive", "constant"]
numbers("standardize", {"standardize": {}}, sk.StandardScaler(), ALL, gaps=True)
numbers("min_max", {"min_max": {"range": [-2.0, 3.0]}}, sk.MinMaxScaler(feature_range=(-2, 3)), ALL, gaps=True)
numbers("min_max, cut off", {"min_max": {"clip": True}}, sk.MinMaxScaler(clip=True), ALL)
numbers("robust", {"robust": {}}, sk.RobustScaler(), ALL, gaps=True)
numbers("robust, wide", {"robust": {"quantiles": [0.1, 0.95]}}, sk.RobustScaler(quantile_range=(10, 95)), ALL)
numbers("log", {"log": {}}, sk.FunctionTransformer(np.log1p), ["positive"])
numbers("log, signed", {"log": {"method": "signed"}}, sk.FunctionTransformer(lambda x: np.sign(x) * np.log1p(abs(x))), ALL)
for output in ("uniform", "normal"):
    for quantiles in (1000, 9):
        peer = sk.QuantileTransformer(n_quantiles=min(quantiles, TRAIN), output_distribution=output, subsample=None)
        transforms = {"quantile": {"quantiles": quantiles, "output": output}}
        numbers(f"quantile, {quantiles}, {output}", transforms, peer, ALL, gaps=quantiles == 9)
for ours, theirs in (("mean", "mean"), ("median", "median"), ("mode", "most_frequent")):
    numbers(f"impute, {ours}", {"impute": {"numbers": ours}}, sklearn.impute.SimpleImputer(strategy=theirs), ALL[:4], gaps=True)


def words(n, known=6, unknown=0.2):
    categories = np.array([f"c{i}" for i in range(known)] + ["rare"])
    chosen = categories[random.integers(0, known, n)].astype(object)
    chosen[random.random(n) < unknown] = "new"
    return chosen


train, new = words(TRAIN, unknown=0), words(NEW)
one_hot = sk.OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train[:, None])
names = [f"c={c}" for c in one_hot.categories_[0]]
case("one_hot", {"one_hot": {}}, {"c": "category"}, train[:, None].tolist(), new[:, None].tolist(),
     one_hot.transform(new[:, None]).tolist(), names)
order = ["c3", "c0", "c5", "c1", "c4", "c2"]
ordinal = sk.OrdinalEncoder(categories=[order], handle_unknown="use_encoded_value", unknown_value=np.nan).fit(train[:, None])
case("ordinal", {"ordinal": {"columns": {"c": order}, "unknown": "missing"}}, {"c": "category"},
     train[:, None].tolist(), new[:, None].tolist(), ordinal.transform(new[:, None]).tolist(), ["c"])
gaps = train.copy()
gaps[::7] = None
filled = sklearn.impute.SimpleImputer(strategy="most_frequent", missing_values=None).fit(gaps[:, None])
case("impute, categories", {"impute": {"categories": "mode"}}, {"c": "category"}, gaps[:, None].tolist(),
     gaps[:NEW, None].tolist(), filled.transform(gaps[:NEW, None]).tolist(), ["c"])

FOLDS = 4
keys = [f"row {i}" for i in range(TRAIN)]
folds = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % FOLDS for key in keys]
TARGETS = {
    "number": np.round(random.normal(10, 4, TRAIN), 3),
    "two": np.array(["no", "yes"], dtype=object)[random.integers(0, 2, TRAIN)],
    "three": np.array(["a", "b", "c"], dtype=object)[random.integers(0, 3, TRAIN)],
}
for kind, target in TARGETS.items():
    sklearn_type = {"number": "continuous", "two": "binary", "three": "multiclass"}[kind]
    for smoothing, smooth in (("auto", "auto"), ({"m": 3.5}, 3.5)):
        def encoded(rows, on):
            encoder = sk.TargetEncoder(smooth=smooth, target_type=sklearn_type)
            return encoder.fit(train[rows][:, None], target[rows]).transform(on[:, None]).tolist()
        transforms = {"target_encode": {"folds": FOLDS, "smoothing": smoothing}}
        spec = {"name": "y", "kind": "number" if kind == "number" else "class"}
        rows = [[c, y] for c, y in zip(train, target.tolist())]
        names = ["c_a", "c_b", "c_c"] if kind == "three" else ["c"]
        case(f"target_encode, {kind}, {smooth}", transforms, {"c": "category"}, rows, new[:, None].tolist(),
             encoded(np.arange(TRAIN), new), names, spec)
        # Of each training row what an encoder gives that was fitted on the other folds.
        out_of_fold = [encoded(np.array([i for i in range(TRAIN) if folds[i] != folds[row]]), train[[row]])[0] for row in range(TRAIN)]
        case(f"target_encode out of fold, {kind}, {smooth}", transforms, {"c": "category"}, rows, rows, out_of_fold, names,
             spec, folds)

# Dates: what pandas says of the calendar, brought to circles.
moments = pd.to_datetime("1999-12-30") + pd.to_timedelta(random.integers(0, 9000 * 86400, TRAIN + NEW), unit="s")
zones = [f"{'+-'[i % 2]}{i % 12:02}:{30 * (i % 2):02}" for i in range(TRAIN + NEW)]
shifts = pd.to_timedelta([(1 - 2 * (i % 2)) * (i % 12 * 60 + 30 * (i % 2)) for i in range(TRAIN + NEW)], unit="min")
utc = pd.DatetimeIndex(moments)


def circle(part, size):
    return [np.sin(2 * np.pi * part / size), np.cos(2 * np.pi * part / size)]


def calendar(dates):
    seconds = dates.hour * 3600 + dates.minute * 60 + dates.second
    elapsed = (dates - utc[:TRAIN].min()) / pd.Timedelta(days=1)
    parts = [dates.year, *circle(dates.month - 1, 12), *circle(dates.day - 1, dates.days_in_month),
             *circle(dates.dayofweek, 7), *circle(seconds, 86400),
             *circle(dates.dayofyear - 1, np.where(dates.is_leap_year, 366, 365)), elapsed]
    return np.stack([np.asarray(part, dtype=float) for part in parts], axis=1)


endings = ["year", "month_sin", "month_cos", "day_sin", "day_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos",
           "day_of_year_sin", "day_of_year_cos", "days"]
written = {
    "iso": ([moment.isoformat() for moment in utc], {}),
    "zones": ([(moment + shift).isoformat() + zone for moment, shift, zone in zip(utc, shifts, zones)], {}),
    "format": ([moment.strftime("%d.%m.%Y %H:%M:%S") for moment in utc], {"format": "%d.%m.%Y %H:%M:%S"}),
}
for name, (texts, config) in written.items():
    rows = [[text] for text in texts]
    assert name != "zones" or (pd.to_datetime(texts, utc=True).tz_localize(None) == utc).all()
    case(f"dates, {name}", {"dates": config}, {"d": "date"}, rows[:TRAIN], rows[TRAIN:],
         calendar(utc[TRAIN:]).tolist(), [f"d_{ending}" for ending in endings])

# Tokenizers: small ones trained by the Python package on its own words, and the ids that it gives to texts.
CORPUS = ["the lowest newest tower", "a newer, wider Tower!", "slow and low: the widest", "lower lower slower", "naïve café"]
TEXTS = ["the slowest tower", "Unbelievable! naïve", "", "  two  blanks", "café 東京 [MASK]", "lower, newer, wider " * 8]


def bert():
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=80, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def gpt():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def unigram():
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<s>", "<unk>", "<pad>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


TOKENIZERS = []
for name, make, padding, unknown in (("bert", bert, "[PAD]", "[UNK]"), ("gpt", gpt, None, None), ("unigram", unigram, "<pad>", "<unk>")):
    tokenizer = make()
    text = tokenizer.to_str()
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=20)
    TOKENIZERS.append({
        "name": name, "json": json.loads(text), "texts": TEXTS, "ids": [tokenizer.encode(text).ids for text in TEXTS],
        "padding": padding and tokenizer.token_to_id(padding), "unknown": unknown and tokenizer.token_to_id(unknown),
    })


def learnt(texts, lowercase):
    """The merges that the package learns of the same texts, and the ids of a text by them."""
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.BpeTrainer(vocab_size=290, min_frequency=2, special_tokens=["[PAD]", "[UNK]"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return [tokenizer.encode(text).ids for text in TEXTS]


LEARNT = [{"lowercase": lowercase, "vocabulary": 290, "train": CORPUS * 3, "texts": TEXTS, "ids": learnt(CORPUS * 3, lowercase)}
          for lowercase in (False, True)]

fixture = pathlib.Path(__file__).parent.parent / "fixtures" / "transforms.json"
path = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else fixture
versions = {"scikit-learn": sklearn.__version__, "pandas": pd.__version__, "tokenizers": tokenizers.__version__}
path.write_text(json.dumps({"seed": SEED, "versions": versions, "cases": CASES, "tokenizers": TOKENIZERS, "learnt": LEARNT},
                           ensure_ascii=False, separators=(",", ":")) + "\n")
print(f"{path}: {path.stat().st_size} bytes, {len(CASES)} cases")
