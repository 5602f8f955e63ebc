//! Which keys are one.

use super::super::opcode::Opcode;
use super::*;

/// A dict with these keys (each a piece of pickle) and the values 0, 1, ….
fn dict_of(keys: &[&[u8]]) -> Vec<u8> {
    let mut pickle = Assembler::new().raw(b"}(");
    for (n, key) in keys.iter().enumerate() {
        pickle = pickle.raw(key).int(n as i32);
    }
    pickle.raw("u").stop()
}

/// The same question to the code for few and for many keys, to dicts, objects, sets and frozensets. Expected are the keys
/// that stay, with the values that they end with.
fn assert_dict(keys: &[&[u8]], expected: &[(&str, usize)]) {
    let entries = expected.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ");
    let elements = expected.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
    assert_eq!(shown(&dict_of(keys)), format!("{{{entries}}}"));
    let object = [b"cm\nC\n)R", dict_of(keys).strip_prefix(b"}").unwrap()].concat();
    assert_eq!(shown(&object), format!("REDUCE(m.C, (), entries={{{entries}}})"));
    assert_eq!(shown(&[b"\x8f(", &keys.concat()[..], b"\x90."].concat()), format!("set({elements})"));
    assert_eq!(shown(&[b"(", &keys.concat()[..], b"\x91."].concat()), format!("frozenset({elements})"));
    // More keys behind them, so that keys are hashed.
    let padding: Vec<Vec<u8>> = (0..20).map(|n| format!("X\x02\0\0\0p{}", char::from(b'a' + n)).into_bytes()).collect();
    let padded: Vec<&[u8]> = keys.iter().copied().chain(padding.iter().map(Vec::as_slice)).collect();
    let shown_padded = shown(&dict_of(&padded));
    assert!(shown_padded.starts_with(&format!("{{{entries}, \"pa\": ")), "{shown_padded}");
}

const LONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn case_051_the_last_value_wins_and_the_first_key_stays() {
    assert_eq!(shown(b"}(K\x01K\x02\x88K\x03F1.0\nK\x04u."), "{1: 4}");
    assert_eq!(shown(b"}\x88K\x02sK\x01K\x03s."), "{True: 3}");
    assert_eq!(shown(b"(K\x01K\x02K\x05K\x06\x88K\x03d."), "{1: 3, 5: 6}");
    assert_eq!(shown(b"\x8f(K\x01\x88K\x02F2\n\x90."), "set(1, 2)");
    assert_dict(&[b"K\x01", b"K\x02", b"\x88", b"F1\n"], &[("1", 3), ("2", 1)]);
}

#[test]
fn case_051_odd_items_are_an_error() {
    assert_error(b"}(K\x01K\x02K\x03u.", ErrorKind::Malformed, "(SETITEMS): 3 items since the mark are not pairs");
    assert_error(b"(K\x01d.", ErrorKind::Malformed, "(DICT): 1 items since the mark are not pairs");
    assert_error(b"cm\nC\n)R(Nu.", ErrorKind::Malformed, "are not pairs");
}

#[test]
fn case_051_what_python_cannot_hash_is_an_error_where_it_is_set() {
    for (key, kind) in [
        (&b"]"[..], "list"),
        (b"}", "dict"),
        (b"\x8f", "set"),
        (b"\x96\0\0\0\0\0\0\0\0", "bytearray"),
        (b"K\x01]\x86\x85", "list"),
    ] {
        let error =
            assert_error(&[b"}", key, b"Ns."].concat(), ErrorKind::Malformed, &format!("found {kind} as the key"));
        assert_eq!((error.offset(), error.opcode()), (Some(key.len() as u64 + 2), Some("SETITEM")));
        for pickle in [
            [b"\x8f(", key, b"\x90."].concat(),
            [b"(", key, b"\x91."].concat(),
            [b"(", key, b"Nd."].concat(),
            [b"cm\nC\n)R", key, b"Ns."].concat(),
        ] {
            assert_error(&pickle, ErrorKind::Malformed, "which Python cannot hash");
        }
    }
    // Whether an object can be hashed is not known here.
    assert_eq!(shown(b"}cm\nC\n)RNs."), "{REDUCE(m.C, ()): None}");
}

#[test]
fn numbers_are_equal_by_value_however_wide() {
    let big = |value: &str| format!("L{value}L\n").into_bytes();
    let float = |value: &str| format!("F{value}\n").into_bytes();
    assert_dict(&[b"\x89", b"K\0", b"F-0.0\n", b"F0.5\n"], &[("False", 2), ("0.5", 3)]);
    // 2^53 is a float, and 2^53 + 1 is not.
    assert_dict(
        &[&float("9007199254740992"), &big("9007199254740992"), &big("9007199254740993")],
        &[("9007199254740992.0", 1), ("9007199254740993", 2)],
    );
    assert_dict(
        &[
            &float("-9223372036854775808"),
            &big("-9223372036854775808"),
            &big("9223372036854775807"),
            &float("9223372036854775808"),
            &big("9223372036854775808"),
        ],
        &[("-9.223372036854776e18", 1), ("9223372036854775807", 2), ("9.223372036854776e18", 4)],
    );
    assert_dict(
        &[&big("1000000000000000000000"), &float("1e21"), &big("-1000000000000000000000"), &float("-1e21")],
        &[("1000000000000000000000", 1), ("-1000000000000000000000", 3)],
    );
    // 1e23 is no float; the nearest one is 99999999999999991611392.
    assert_dict(
        &[&float("1e23"), &big("100000000000000000000000"), &big("99999999999999991611392")],
        &[("1e23", 2), ("100000000000000000000000", 1)],
    );
    assert_dict(&[b"Finf\n", b"F-inf\n", b"Finf\n", b"F1e308\n"], &[("inf", 2), ("-inf", 1), ("1e308", 3)]);
    let wide = |last: u8| [&b"\x8b\x2d\x01\0\0"[..], &[last; 300], b"\x01"].concat();
    let numbers = [wide(1), wide(2), wide(1)];
    let pickle = dict_of(&numbers.each_ref().map(Vec::as_slice));
    assert!(shown(&pickle).ends_with(": 1}") && shown(&pickle).contains(": 2, "));
}

#[test]
fn nan_equals_only_the_object_that_it_is() {
    assert_dict(&[b"Fnan\nq\x01", b"Fnan\n", b"h\x01"], &[("NaN", 2), ("NaN", 1)]);
    assert_dict(&[b"Fnan\n\x85", b"Fnan\n\x85"], &[("(NaN)", 0), ("(NaN)", 1)]);
    assert_eq!(shown(b"Fnan\nq\x01}(h\x01\x85K\x01h\x01\x85K\x02u."), "{(NaN): 2}");
}

#[test]
fn text_bytes_and_python_2_strings() {
    assert_dict(&[b"\x8c\x01a", b"C\x01a", b"U\x01a", b"X\x01\0\0\0a"], &[("\"a\"", 3), ("b\"a\"", 1)]);
    assert_dict(
        &[b"U\x02\xc3\xa9", b"\x8c\x02\xc3\xa9", b"U\x01\xe9", b"C\x01\xe9", b"U\x01\xe9"],
        &[("py2\"\\xc3\\xa9\"", 1), ("py2\"\\xe9\"", 4), ("b\"\\xe9\"", 3)],
    );
    assert_dict(
        &[b"\x8c\x03\xed\xa0\x80", b"\x8c\x03\xef\xbf\xbd", b"V\\ud800\n", b"U\x03\xed\xa0\x80"],
        &[("surrogates(\"�\", \\xed\\xa0\\x80)", 2), ("\"�\"", 1), ("py2\"\\xed\\xa0\\x80\"", 3)],
    );
    let text = Assembler::new().text(LONG).0;
    let old = Assembler::new().counted(Opcode::BinString, LONG.len() as u32, LONG).0;
    let bytes = Assembler::new().counted(Opcode::BinBytes, LONG.len() as u32, LONG).0;
    assert_dict(&[&text, &bytes, &old, &text, &bytes], &[(&format!("\"{LONG}\""), 3), (&format!("b\"{LONG}\""), 4)]);
}

#[test]
fn none_globals_extensions_and_objects() {
    assert_dict(&[b"N", b"K\0", b"N", b")"], &[("None", 2), ("0", 1), ("()", 3)]);
    assert_dict(&[b"cm\nC\n", b"cm\nD\n", b"\x8c\x01m\x8c\x01C\x93"], &[("m.C", 2), ("m.D", 1)]);
    assert_dict(&[b"\x82\x05", b"\x83\x05\0", b"\x82\x06"], &[("extension(5)", 1), ("extension(6)", 2)]);
    assert_dict(&[b"K\x01Q", b"K\x01Q"], &[("persistent(1)", 0), ("persistent(1)", 1)]);
    assert_dict(&[b"cm\nC\n)Rq\x01", b"cm\nC\n)R", b"h\x01"], &[("REDUCE(m.C, ())", 2), ("REDUCE(m.C, ())", 1)]);
}

#[test]
fn tuples_are_compared_by_their_elements() {
    assert_eq!(
        shown(&dict_of(&[
            b"K\x01\x8c\x01a\x86",
            b"F1\nU\x01a\x86",
            b"K\x01C\x01a\x86",
            b"K\x01\x85",
            b"K\x01\x85\x85",
            b"\x88\x85\x85"
        ])),
        "{(1, \"a\"): 1, (1, b\"a\"): 2, (1): 3, ((1)): 5}"
    );
    let text = Assembler::new().text(LONG).0;
    let in_tuple = [&text[..], b"\x85"].concat();
    assert_eq!(shown(&dict_of(&[&in_tuple, &text, &in_tuple])), format!("{{(\"{LONG}\"): 2, \"{LONG}\": 1}}"));
}

#[test]
fn tuples_that_share_their_parts_are_compared_in_linear_time() {
    // 2^200 leaves, twice, made separately: equal.
    let tower = || Assembler::new().op(Opcode::None).0.into_iter().chain(b"2\x86".repeat(200)).collect::<Vec<_>>();
    let graph = decode_all(&dict_of(&[&tower(), &tower()])).unwrap();
    let Node::Dict(entries) = graph.node(graph.root()) else { panic!("no dict") };
    assert_eq!(entries.len(), 1);
}

#[test]
fn a_deep_tuple_as_key_does_not_overflow_the_stack() {
    let deep = |leaf: &[u8]| [leaf, &b"\x85".repeat(200_000)].concat();
    let graph = decode_all(&dict_of(&[&deep(b"N"), &deep(b"N"), &deep(b"K\x01")])).unwrap();
    let Node::Dict(entries) = graph.node(graph.root()) else { panic!("no dict") };
    assert_eq!(entries.len(), 2);
    assert_error(&dict_of(&[&deep(b"]")]), ErrorKind::Malformed, "found list as the key");
}
