//! What does not end, or would cost too much.

use super::*;

#[test]
fn depth_and_cycles_end_in_an_error() {
    let nested = |levels: usize| {
        let mut code = int(1);
        for _ in 0..levels {
            code = list([code]);
        }
        code
    };
    assert!(read::<serde_json::Value>(nested(128)).is_ok());
    let error = read::<serde_json::Value>(nested(129)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["0.0.0", "nested too deeply", "128"]);
    assert!(read::<IgnoredAny>(nested(100_000)).is_ok());

    let recursive = file("recursive.pt");
    #[derive(Debug, Deserialize)]
    struct Again {
        #[serde(rename = "self")]
        _again: Box<Again>,
    }
    let error = recursive.deserialize::<Again>("dict").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["dict.self.self", "holds itself"]);
    #[derive(Deserialize)]
    struct Once {
        after: u8,
    }
    assert_eq!(recursive.deserialize::<Once>("dict").unwrap().after, 2);
}

#[test]
fn the_limit_on_nesting_is_kept_if_it_is_less() {
    let mut limits = torch_checkpoint::Limits::default();
    limits.nesting = 2;
    let bytes = torch_file(&list([list([list([])])]), &[]);
    let checkpoint = LoadOptions::new().limits(limits).open_bytes(bytes).unwrap();
    assert_eq!(checkpoint.deserialize::<serde_json::Value>("").unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(checkpoint.deserialize::<serde_json::Value>("0").unwrap(), json!([[]]));
}

/// Twenty levels of ten references each to the next would be 10^20 values.
#[test]
fn shared_containers_cannot_multiply_without_end() {
    let mut code = memo(0, list([int(1)]));
    for level in 1..20 {
        let references = (0..9).map(|_| get(level - 1));
        code = memo(level, list(std::iter::once(code).chain(references)));
    }
    for error in [read_few::<serde_json::Value>(code.clone()).unwrap_err(), read_few::<Nested>(code).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Limit);
        says(&error, &["Limits::names"]);
    }
    let long = "x".repeat(1 << 20);
    let copies = list(std::iter::once(memo(0, text(&long))).chain((0..50).map(|_| get(0))));
    assert_eq!(read_few::<Lengths>(copies).unwrap_err().kind(), ErrorKind::Limit);
}

/// Lists in lists, of which nothing is kept.
#[derive(Debug)]
struct Nested;

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> serde::de::Visitor<'de> for Items {
            type Value = Nested;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("lists")
            }
            fn visit_i64<E>(self, _: i64) -> Result<Nested, E> {
                Ok(Nested)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Nested, A::Error> {
                while items.next_element::<Nested>()?.is_some() {}
                Ok(Nested)
            }
        }
        deserializer.deserialize_any(Items)
    }
}

#[derive(Debug)]
struct Lengths;

impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> serde::de::Visitor<'de> for Items {
            type Value = Lengths;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Lengths, A::Error> {
                while items.next_element::<String>()?.is_some() {}
                Ok(Lengths)
            }
        }
        deserializer.deserialize_seq(Items)
    }
}
