"""How well does Firebox find near duplicates? Plants altered copies among real images, texts and rows, and counts what was found.

    pip install numpy scikit-learn scikit-image pillow
    python near_duplicates.py make FOLDER                # FOLDER/digits, photos, texts, table, each with a card and planted.csv
    python near_duplicates.py make FOLDER --held-out PICTURES    # others: digits of training, pictures below PICTURES, other strengths
    FIREBOX_PLANTED=FOLDER/digits cargo test --release -p data-loader --test near_duplicates -- --ignored
    python near_duplicates.py score FOLDER/digits        # reads found.csv

A pair that was found is right if it was planted, or if two copies of one original were found; for photographs also if the two
windows into the same photograph overlap by 0.8 or more of their union, for digits if the two images differ by at most 20 grey
levels in the root mean square at the best shift of up to one pixel. Every other pair is false.
"""
import csv, gzip, io, os, random, sys
import numpy as np

# The thresholds were chosen on the first data set. The other one shares no picture with it, and its copies were altered by other strengths.
HELD_OUT = sys.argv[4] if len(sys.argv) > 4 and sys.argv[3] == "--held-out" else None

CARD = """name = "planted"
title = "Planted"
summary = "made for a measurement"
source = "here"
licence = "CC0"
citation = "none"
{body}
"""


def write_card(folder, body):
    open(os.path.join(folder, "card.toml"), "w").write(CARD.format(body=body))


def alterations(photo):
    from PIL import Image

    def jpeg(image, quality):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue()))

    def brighter(image):
        gain, offset = (1.15, -10) if HELD_OUT else (0.8, 25)
        return image.point(lambda v: max(0, min(255, int(v * gain + offset))))

    def shift(image):
        a = np.asarray(image)
        return Image.fromarray(np.roll(a, (-1, 1) if HELD_OUT else (1, 1), (0, 1)))

    def rescale(image):
        w, h = image.size
        share, side = (0.55, 36) if HELD_OUT else (0.7, 40)
        return image.resize((int(w * share), int(h * share)) if photo else (side, side), Image.BILINEAR)

    def crop(share):
        def f(image):
            w, h = image.size
            x, y = max(1, round(w * share / 2)), max(1, round(h * share / 2))
            return image.crop((x, y, w - x, h - y))
        return f

    def grey(image):
        return image.convert("L").convert(image.mode)

    fine, coarse = (85, 50) if HELD_OUT else (75, 40)
    made = {f"jpeg {fine}": lambda i: jpeg(i, fine), f"jpeg {coarse}": lambda i: jpeg(i, coarse), "brightness": brighter, "shift 1 pixel": shift,
            "rescale": rescale, "crop 2 %": crop(0.03 if HELD_OUT else 0.02)}
    if photo:
        made |= {"crop 5 %": crop(0.05), "grey": grey}
    return made


def digits(folder, rng):
    from PIL import Image
    here = os.path.join(os.path.dirname(__file__), "../../datasets/mnist")
    read = lambda name, skip: np.frombuffer(gzip.open(os.path.join(here, name)).read(), np.uint8, offset=skip)
    part = "train" if HELD_OUT else "t10k"
    images, labels = read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28), read(f"{part}-labels-idx1-ubyte.gz", 8)
    images, labels = images[-10_000:], labels[-10_000:]
    planted = []
    for i, (image, label) in enumerate(zip(images, labels)):
        os.makedirs(f"{folder}/images/{label}", exist_ok=True)
        Image.fromarray(image).save(f"{folder}/images/{label}/{i:05d}.png")
    for name, alter in alterations(False).items():
        for i in rng.sample(range(len(images)), 200):
            copy = f"{labels[i]}/{i:05d}-{name.replace(' ', '_')}.png"
            alter(Image.fromarray(images[i])).save(f"{folder}/images/{copy}")
            planted.append((f"images/{labels[i]}/{i:05d}.png", f"images/{copy}", name))
    return planted, '[format.image_folder]\nchannels = 1\n[[files]]\npath = "images"\n[schema]\ntarget = { name = "y", kind = "class" }\n[schema.features]\nimage = "image"'


def photos(folder, rng):
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_images
    sources = [("astronaut", data.astronaut()), ("chelsea", data.chelsea()), ("coffee", data.coffee()),
               ("rocket", data.rocket()), ("china", load_sample_images().images[0]), ("flower", load_sample_images().images[1])]
    if HELD_OUT:
        names = sorted(name for name in os.listdir(HELD_OUT) if name.lower().endswith((".png", ".jpg", ".jpeg")))
        sources = [(f"p{i}", np.asarray(Image.open(os.path.join(HELD_OUT, name)).convert("RGB"))) for i, name in enumerate(names)]
    planted, windows = [], []
    for i in range(1500):
        name, a = sources[i % len(sources)]
        h, w, _ = a.shape
        s = rng.uniform(0.25, 0.95)
        ch, cw = int(h * s), int(w * s)
        y, x = rng.randrange(h - ch), rng.randrange(w - cw)
        image = Image.fromarray(np.ascontiguousarray(a[y:y + ch, x:x + cw])).resize((400, 300), Image.BICUBIC)
        os.makedirs(f"{folder}/images/{name}", exist_ok=True)
        image.save(f"{folder}/images/{name}/{i:05d}.png")
        windows.append((f"{i:05d}", name, y, x, y + ch, x + cw))
    for name, alter in alterations(True).items():
        for i in rng.sample(range(1500), 100):
            source = windows[i][1]
            copy = f"{source}/{i:05d}-{name.replace(' ', '_').replace('%', 'pc')}.jpg"
            alter(Image.open(f"{folder}/images/{source}/{i:05d}.png")).save(f"{folder}/images/{copy}", quality=90)
            planted.append((f"images/{source}/{i:05d}.png", f"images/{copy}", name))
    csv.writer(open(f"{folder}/windows.csv", "w")).writerows(windows)
    return planted, '[format.image_folder]\n[[files]]\npath = "images"\n[schema]\ntarget = { name = "y", kind = "class" }\n[schema.features]\nimage = "image"'


def texts(folder, rng):
    # Sentences of random words of a Zipf vocabulary share pieces as sentences do; letters are those of words of five to nine.
    words = ["".join(rng.choice("etaoinshrdlucmfw") for _ in range(rng.randint(2, 9))) for _ in range(5000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    sentence = lambda: rng.choices(words, weights, k=rng.randint(20, 60))
    rows = [sentence() for _ in range(20000)]
    planted, copies = [], []
    def typo(row):
        row = list(row); i = rng.randrange(len(row)); row[i] += "x"; return " ".join(row)
    def word(row):
        row = list(row); row[rng.randrange(len(row))] = "replaced"; return " ".join(row)
    def dropped(row):
        row = list(row); del row[rng.randrange(len(row))]; return " ".join(row)
    def case(row):
        return "  ".join(row).upper()
    def tail(row):
        return " ".join(row) + " more"
    alter = {"typo": typo, "word replaced": word, "word dropped": dropped, "case and spaces": case, "words added": tail}
    for name, change in alter.items():
        for i in rng.sample(range(len(rows)), 200):
            planted.append((i, len(rows) + len(copies), name))
            copies.append(change(rows[i]))
    lines = [" ".join(row) for row in rows] + copies
    with open(f"{folder}/texts.csv", "w") as file:
        out = csv.writer(file)
        out.writerow(["text", "y"])
        out.writerows([text, rng.choice("ab")] for text in lines)
    planted = [(f"texts.csv#{a}", f"texts.csv#{b}", name) for a, b, name in planted]
    return planted, '[format.csv]\n[[files]]\npath = "texts.csv"\n[schema]\ntarget = { name = "y", kind = "class" }\n[schema.features]\ntext = "text"'


def table(folder, rng):
    from sklearn.datasets import load_breast_cancer, make_classification
    x, y = make_classification(20000, 8, n_informative=5, random_state=0)
    real = load_breast_cancer().data
    rows = [list(row) for row in x]
    planted, copies = [], []
    spread = np.subtract(*np.percentile(x, [75, 25], axis=0))
    alter = {"rounded to 3 digits of the spread": lambda r: [round(v / s, 3) * s for v, s in zip(r, spread)],
             "32-bit floats": lambda r: [float(np.float32(v)) for v in r],
             "one number changed by 0.0005 spreads": lambda r: [v + (0.0005 * s if i == 2 else 0) for i, (v, s) in enumerate(zip(r, spread))]}
    for name, change in alter.items():
        for i in rng.sample(range(len(rows)), 200):
            planted.append((i, len(rows) + len(copies), name))
            copies.append(change(rows[i]))
    with open(f"{folder}/table.csv", "w") as file:
        out = csv.writer(file)
        out.writerow([f"c{i}" for i in range(8)] + ["y"])
        for row in rows + copies:
            out.writerow([repr(float(v)) for v in row] + [rng.choice("ab")])
    planted = [(f"table.csv#{a}", f"table.csv#{b}", name) for a, b, name in planted]
    features = "\n".join(f'c{i} = "number"' for i in range(8))
    return planted, f'[format.csv]\n[[files]]\npath = "table.csv"\n[schema]\ntarget = {{ name = "y", kind = "class" }}\n[schema.features]\n{features}'


def make(root):
    for maker in (digits, photos, texts, table):
        folder = os.path.join(root, maker.__name__)
        os.makedirs(folder, exist_ok=True)
        planted, body = maker(folder, random.Random(1 if HELD_OUT else 0))
        write_card(folder, body)
        csv.writer(open(f"{folder}/planted.csv", "w")).writerows(planted)
        print(f"{len(planted)} copies planted in {folder}")


def overlap(a, b):
    top, left, bottom, right = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    both = max(0, bottom - top) * max(0, right - left)
    area = lambda w: (w[2] - w[0]) * (w[3] - w[1])
    return both / (area(a) + area(b) - both)


def score(folder):
    planted = list(csv.reader(open(f"{folder}/planted.csv")))
    found, seconds = [], ""
    for line in open(f"{folder}/found.csv").read().splitlines()[1:]:
        if line.startswith("#"):
            seconds = line[2:]
            continue
        first, second, likeness = line.split(",")
        found.append((first.split("/", 1)[1], second.split("/", 1)[1], float(likeness)))
    key = lambda a, b: (min(a, b), max(a, b))
    pairs = {key(a, b) for a, b, _ in found}
    kinds = sorted({name for *_, name in planted})
    for kind in kinds:
        own = [key(a, b) for a, b, name in planted if name == kind]
        print(f"  {kind}: {sum(pair in pairs for pair in own)} of {len(own)}")
    total = {key(a, b) for a, b, _ in planted}
    print(f"recall {len(total & pairs)} of {len(total)} = {len(total & pairs) / len(total):.4f}, in {seconds}")
    origin = {}
    for a, b, _ in planted:
        origin.setdefault(b, a)
    root = lambda name: origin.get(name, name)
    windows = {}
    if os.path.exists(f"{folder}/windows.csv"):
        windows = {row[0]: (row[1], [int(v) for v in row[2:]]) for row in csv.reader(open(f"{folder}/windows.csv"))}
    def distance(a, b):
        from PIL import Image
        load = lambda name: np.asarray(Image.open(f"{folder}/{name}").convert("L").resize((28, 28)), float)
        x, y = load(a), load(b)
        return min(np.sqrt(np.mean((np.roll(y, (i, j), (0, 1)) - x) ** 2)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    wrong = natural = 0
    for a, b, likeness in found:
        if root(a) == root(b):
            continue
        x, y = root(a), root(b)
        if windows:
            (p, v), (q, w) = (windows[os.path.basename(name)[:5]] for name in (x, y))
            good = p == q and overlap(v, w) >= 0.8
        elif x.startswith("images"):
            good = distance(x, y) <= 20
        else:
            good = False
        natural += good
        wrong += not good
        if not good and wrong <= 12:
            print("  false:", a, b, likeness)
    right = len(found) - wrong
    print(f"precision {right} of {len(found)} = {right / max(1, len(found)):.4f}; {natural} pairs were not planted and are right by the rule")


if __name__ == "__main__":
    {"make": make, "score": score}[sys.argv[1]](sys.argv[2])
