//! Is every image decoded once by all who share it, and is what they read what was decoded?

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::formats;
use crate::{Batch, DataConfig, Dataset, Loader};

/// Counts how often an image is decoded.
struct Counted {
    records: Box<dyn Records>,
    decoded: Arc<AtomicUsize>,
}

impl Records for Counted {
    fn len(&self) -> usize {
        self.records.len()
    }
    fn read(&self, row: usize) -> Result<Record, Error> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        self.records.read(row)
    }
    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        self.records.field(row, name)
    }
    fn key(&self, row: usize) -> Result<String, Error> {
        self.records.key(row)
    }
}

/// A card of 60 images in two classes; the one in `broken` is none.
fn folder(broken: Option<usize>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for k in 0..60_u8 {
        let path = folder.path().join(format!("all/{}/{k:02}.png", ["cat", "dog"][usize::from(k % 2)]));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| image::Rgb([k, (x * 20) as u8, (y * 30) as u8 ^ k]);
        image::RgbImage::from_fn(9, 7, pixel).save(&path).unwrap();
        if broken == Some(k.into()) {
            std::fs::write(&path, "no image").unwrap();
        }
    }
    let card = "name = \"t\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.image_folder]\n\
         [[files]]\npath = \"all\"\n[schema]\ntarget = { name = \"class\", kind = \"class\" }\nfeatures = { image = \"image\" }\n";
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    folder
}

fn cache(folder: &Path) -> DecodedCache {
    DecodedCache { folder: folder.join("decoded"), max_bytes: 1 << 20, stop: Arc::default() }
}

/// Opens the card by way of the cache and counts what is decoded.
fn open(folder: &Path, cache: &DecodedCache, config: &str, decoded: &Arc<AtomicUsize>) -> Result<Arc<Dataset>, Error> {
    let config: DataConfig = crate::config::parse_toml(&format!("card = \".\"\n{config}"), Path::new("c"))?;
    let card = Dataset::card_of(&config, folder)?;
    let records = Box::new(Counted { records: formats::open(&card)?, decoded: Arc::clone(decoded) });
    let records = Decoded::over(records, &card, cache);
    Dataset::from_records(&config, card, records, None, None, 0).map(Arc::new)
}

fn plain(folder: &Path, config: &str) -> Arc<Dataset> {
    let config: DataConfig = crate::config::parse_toml(&format!("card = \".\"\n{config}"), Path::new("c")).unwrap();
    Arc::new(Dataset::open(&config, folder, None, 0).unwrap())
}

fn batches(data: &Arc<Dataset>) -> Vec<Batch> {
    let of = |part| Loader::once(Arc::clone(data), part, 8).unwrap().map(Result::unwrap);
    Loader::train(Arc::clone(data), 8, 3, 2, 0)
        .unwrap()
        .take(20)
        .map(Result::unwrap)
        .chain(Part::ALL.into_iter().flat_map(of))
        .collect()
}

#[test]
fn all_who_share_images_decode_each_of_them_once() {
    let folder = folder(None);
    let cache = cache(folder.path());
    let random = "[transforms.random_crop]\nsize = [5, 5]\n[transforms.normalize]\n";
    for (config, times) in [("", 1), (random, 1), ("limit = 20", 2)] {
        let decoded = Arc::default();
        let expected = batches(&plain(folder.path(), config));
        // At once, as workers begin, and later.
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(batches(&open(folder.path(), &cache, config, &decoded).unwrap()) == expected));
            }
        });
        assert!(batches(&open(folder.path(), &cache, config, &decoded).unwrap()) == expected, "{config}");
        let rows = plain(folder.path(), config).rows_of(&Part::ALL).len();
        // The second config has the rows of the first.
        let wanted = if config == random { 0 } else { rows };
        assert_eq!(decoded.load(Ordering::Relaxed), wanted, "{config}");
        let files = std::fs::read_dir(&cache.folder).unwrap().flatten();
        assert_eq!(files.filter(|file| file.path().extension() == Some("rows".as_ref())).count(), times, "{config}");
    }
}

#[test]
fn what_is_damaged_is_decoded_again() {
    let folder = folder(None);
    let cache = cache(folder.path());
    let decoded = Arc::default();
    let expected = batches(&open(folder.path(), &cache, "", &decoded).unwrap());
    let path = std::fs::read_dir(&cache.folder).unwrap().flatten().map(|entry| entry.path());
    let path = path.into_iter().find(|path| path.extension() == Some("rows".as_ref())).unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Each byte of a few rows, of the list and of the tail; and every kind of a file cut off.
    let places = (0..400).chain(whole.len() - 120..whole.len());
    let damaged = places.step_by(7).map(|place| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x21;
        bytes
    });
    let cut = (0..whole.len()).step_by(1301).map(|length| whole[..length].to_vec());
    for bytes in damaged.chain(cut) {
        std::fs::write(&path, bytes).unwrap();
        assert!(batches(&open(folder.path(), &cache, "", &decoded).unwrap()) == expected);
    }
}

#[test]
fn an_image_that_cannot_be_decoded_is_named_as_ever() {
    let folder = folder(Some(31));
    let error = open(folder.path(), &cache(folder.path()), "", &Arc::default()).unwrap_err();
    assert!(error.to_string().contains("31.png") && error.is_bad_example(), "{error}");
    let skip = "[loader]\nbad_examples = \"skip\"";
    let data = open(folder.path(), &cache(folder.path()), skip, &Arc::default()).unwrap();
    assert!(batches(&data) == batches(&plain(folder.path(), skip)));
}

#[test]
fn what_takes_too_much_room_is_decoded_each_time_and_leaves_nothing() {
    let folder = folder(None);
    let expected = batches(&plain(folder.path(), ""));
    let small = DecodedCache { max_bytes: 5000, ..cache(folder.path()) };
    for _ in 0..2 {
        let decoded = Arc::default();
        assert!(batches(&open(folder.path(), &small, "", &decoded).unwrap()) == expected);
        assert!(decoded.load(Ordering::Relaxed) > 100);
    }
    assert!(bytes_in(&small.folder) < 10, "something is left but the note on how little room there was");
    // With more room it is tried again, and what somebody left who was killed takes none of it.
    let lost = small.folder.join("other.rows.1234.tmp");
    std::fs::write(&lost, vec![0; 1 << 20]).unwrap();
    std::fs::write(small.folder.join("other.lock"), "").unwrap();
    let decoded = Arc::default();
    let all = plain(folder.path(), "").rows_of(&Part::ALL).len();
    for _ in 0..2 {
        assert!(batches(&open(folder.path(), &cache(folder.path()), "", &decoded).unwrap()) == expected);
        assert_eq!(decoded.load(Ordering::Relaxed), all);
    }
    assert!(!lost.exists());
    // A folder that cannot be made does not matter either.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = DecodedCache { folder: folder.path().join("file/decoded"), ..small };
    assert!(batches(&open(folder.path(), &nowhere, "", &Arc::default()).unwrap()) == expected);
}

#[test]
fn who_is_asked_to_stop_waits_for_nobody() {
    let folder = folder(None);
    let cache = cache(folder.path());
    let busy = open(folder.path(), &cache, "", &Arc::default()).unwrap();
    drop(busy);
    // Another one writes, and never ends.
    let entries = std::fs::read_dir(&cache.folder).unwrap().flatten().map(|entry| entry.path());
    let (locks, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.extension() == Some("lock".as_ref()));
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    let held = File::open(&locks[0]).unwrap();
    held.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| open(folder.path(), &cache, "", &Arc::default()));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!waiting.is_finished());
        cache.stop.store(true, Ordering::Relaxed);
        assert!(matches!(waiting.join().unwrap(), Err(Error::Interrupted)));
    });
    drop(held);
    // Nor does it go on decoding.
    assert!(matches!(open(folder.path(), &cache, "", &Arc::default()), Err(Error::Interrupted)));
}
