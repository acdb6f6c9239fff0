//! Does a record come back as it was, and is anything else refused?

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let image = (0_usize..4, 0_usize..5, 0_usize..5, any::<u8>()).prop_map(|(channels, height, width, pixel)| {
        let count = channels * height * width;
        Image { channels, height, width, pixels: (0..count).map(|k| pixel.wrapping_add(k as u8)).collect() }
    });
    prop_oneof![
        Just(Value::Missing),
        (-1e300_f64..1e300).prop_map(Value::Number),
        ".{0,9}".prop_map(Value::Text),
        image.clone().prop_map(Value::Image),
        image.prop_map(Value::Mask),
    ]
}

proptest! {
    #[test]
    fn records_come_back(key in ".{0,9}", fields in proptest::collection::vec((".{0,5}", value()), 0..5), cut: usize) {
        let record = Record { id: ExampleId { key }, fields };
        let bytes = bytes_of(&record).unwrap();
        prop_assert_eq!(record_of(&bytes), Some(record));
        prop_assert_eq!(record_of(&bytes[..cut % bytes.len()]), None);
        prop_assert_eq!(record_of(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn hostile_bytes_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = record_of(&bytes);
    }
}

#[test]
fn what_only_transforms_make_is_not_written() {
    for value in [Value::Code(1), Value::Tokens(vec![1]), Value::Series(Vec::new())] {
        let record = Record { id: ExampleId { key: String::new() }, fields: vec![("x".into(), value)] };
        assert_eq!(bytes_of(&record), None);
    }
}
