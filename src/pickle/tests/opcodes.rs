//! The table, and each opcode alone.

use super::super::opcode::Opcode;
use super::*;

/// Byte, name and protocol, as `pickletools` of Python 3.13 lists them.
const PICKLETOOLS: [(u8, &str, u8); 68] = [
    (0x28, "MARK", 0),
    (0x29, "EMPTY_TUPLE", 1),
    (0x2e, "STOP", 0),
    (0x30, "POP", 0),
    (0x31, "POP_MARK", 1),
    (0x32, "DUP", 0),
    (0x42, "BINBYTES", 3),
    (0x43, "SHORT_BINBYTES", 3),
    (0x46, "FLOAT", 0),
    (0x47, "BINFLOAT", 1),
    (0x49, "INT", 0),
    (0x4a, "BININT", 1),
    (0x4b, "BININT1", 1),
    (0x4c, "LONG", 0),
    (0x4d, "BININT2", 1),
    (0x4e, "NONE", 0),
    (0x50, "PERSID", 0),
    (0x51, "BINPERSID", 1),
    (0x52, "REDUCE", 0),
    (0x53, "STRING", 0),
    (0x54, "BINSTRING", 1),
    (0x55, "SHORT_BINSTRING", 1),
    (0x56, "UNICODE", 0),
    (0x58, "BINUNICODE", 1),
    (0x5d, "EMPTY_LIST", 1),
    (0x61, "APPEND", 0),
    (0x62, "BUILD", 0),
    (0x63, "GLOBAL", 0),
    (0x64, "DICT", 0),
    (0x65, "APPENDS", 1),
    (0x67, "GET", 0),
    (0x68, "BINGET", 1),
    (0x69, "INST", 0),
    (0x6a, "LONG_BINGET", 1),
    (0x6c, "LIST", 0),
    (0x6f, "OBJ", 1),
    (0x70, "PUT", 0),
    (0x71, "BINPUT", 1),
    (0x72, "LONG_BINPUT", 1),
    (0x73, "SETITEM", 0),
    (0x74, "TUPLE", 0),
    (0x75, "SETITEMS", 1),
    (0x7d, "EMPTY_DICT", 1),
    (0x80, "PROTO", 2),
    (0x81, "NEWOBJ", 2),
    (0x82, "EXT1", 2),
    (0x83, "EXT2", 2),
    (0x84, "EXT4", 2),
    (0x85, "TUPLE1", 2),
    (0x86, "TUPLE2", 2),
    (0x87, "TUPLE3", 2),
    (0x88, "NEWTRUE", 2),
    (0x89, "NEWFALSE", 2),
    (0x8a, "LONG1", 2),
    (0x8b, "LONG4", 2),
    (0x8c, "SHORT_BINUNICODE", 4),
    (0x8d, "BINUNICODE8", 4),
    (0x8e, "BINBYTES8", 4),
    (0x8f, "EMPTY_SET", 4),
    (0x90, "ADDITEMS", 4),
    (0x91, "FROZENSET", 4),
    (0x92, "NEWOBJ_EX", 4),
    (0x93, "STACK_GLOBAL", 4),
    (0x94, "MEMOIZE", 4),
    (0x95, "FRAME", 4),
    (0x96, "BYTEARRAY8", 5),
    (0x97, "NEXT_BUFFER", 5),
    (0x98, "READONLY_BUFFER", 5),
];

#[test]
fn the_table_is_that_of_pickletools() {
    let ours: Vec<_> = Opcode::ALL.iter().map(|&(opcode, protocol)| (opcode as u8, opcode.name(), protocol)).collect();
    assert_eq!(ours, PICKLETOOLS);
    for byte in 0..=u8::MAX {
        assert_eq!(
            Opcode::from_byte(byte).map(|opcode| opcode as u8),
            ours.iter().map(|row| row.0).find(|&b| b == byte)
        );
    }
}

/// For each opcode: a pickle whose last opcode but STOP it is (which is added), and what it decodes to.
const ALONE: &[(&str, &[u8], &str)] = &[
    (
        "MARK",
        b"N(",
        "error: at byte 2 (STOP): the stack holds too few items above its last mark; the pickle is damaged",
    ),
    ("EMPTY_TUPLE", b")", "()"),
    ("STOP", b"N", "None"),
    ("POP", b"NK\x010", "None"),
    ("POP_MARK", b"N(K\x01K\x021", "None"),
    ("DUP", b"]2\x86", "([], [])"),
    ("BINBYTES", b"B\x02\0\0\0\0\xff", r#"b"\x00\xff""#),
    ("SHORT_BINBYTES", b"C\x01a", "b\"a\""),
    ("FLOAT", b"F-2.5e3\n", "-2500.0"),
    ("BINFLOAT", b"G\x3f\xf8\0\0\0\0\0\0", "1.5"),
    ("INT", b"I-12\n", "-12"),
    ("BININT", b"J\xff\xff\xff\x7f", "2147483647"),
    ("BININT1", b"K\xff", "255"),
    ("LONG", b"L-12345678901234567890L\n", "-12345678901234567890"),
    ("BININT2", b"M\x01\x80", "32769"),
    ("NONE", b"N", "None"),
    ("PERSID", b"Pmodule 7\n", "persistent(\"module 7\")"),
    ("BINPERSID", b"K\x07\x85Q", "persistent((7))"),
    ("REDUCE", b"cos\nsystem\nX\x02\0\0\0ls\x85R", "REDUCE(os.system, (\"ls\"))"),
    ("STRING", b"S'a\\'\\x41\\n\\101\\q'\n", r#"py2"a\'A\nA\\q""#),
    ("BINSTRING", b"T\x02\0\0\0\xe9a", r#"py2"\xe9a""#),
    ("SHORT_BINSTRING", b"U\x01a", "py2\"a\""),
    ("UNICODE", b"Va\xe9\\u20ac\\U0001f600\\\\u0041\n", "\"aé€😀\\\\\\\\u0041\""),
    ("BINUNICODE", b"X\x02\0\0\0\xc3\xa9", "\"é\""),
    ("EMPTY_LIST", b"]", "[]"),
    ("APPEND", b"]Na", "[None]"),
    ("BUILD", b"cm\nC\n)R}b", "REDUCE(m.C, (), states=[{}])"),
    ("GLOBAL", b"ca.b\nC.d\n", "a.b.C.d"),
    ("DICT", b"(K\x01Nd", "{1: None}"),
    ("APPENDS", b"](K\x01K\x02e", "[1, 2]"),
    ("GET", b"]p12\nNg12\n\x86", "(None, [])"),
    ("BINGET", b"]q\x05Nh\x05\x86", "(None, [])"),
    ("INST", b"(K\x01im\nC\n", "INST(m.C, (1))"),
    ("LONG_BINGET", b"]r\0\x01\0\0Nj\0\x01\0\0\x86", "(None, [])"),
    ("LIST", b"(NK\x01l", "[None, 1]"),
    ("OBJ", b"(cm\nC\nK\x01o", "OBJ(m.C, (1))"),
    ("PUT", b"]p0\n", "[]"),
    ("BINPUT", b"]q\0", "[]"),
    ("LONG_BINPUT", b"]r\0\0\0\0", "[]"),
    ("SETITEM", b"}K\x01Ns", "{1: None}"),
    ("TUPLE", b"(K\x01K\x02K\x03K\x04t", "(1, 2, 3, 4)"),
    ("SETITEMS", b"}(K\x01NK\x02Nu", "{1: None, 2: None}"),
    ("EMPTY_DICT", b"}", "{}"),
    ("PROTO", b"N\x80\x05", "None"),
    ("NEWOBJ", b"cm\nC\nK\x01\x85\x81", "NEWOBJ(m.C, (1))"),
    ("EXT1", b"\x82\xff", "extension(255)"),
    ("EXT2", b"\x83\0\x80", "extension(32768)"),
    ("EXT4", b"\x84\xff\xff\xff\x7f", "extension(2147483647)"),
    ("TUPLE1", b"N\x85", "(None)"),
    ("TUPLE2", b"NN\x86", "(None, None)"),
    ("TUPLE3", b"K\x01K\x02K\x03\x87", "(1, 2, 3)"),
    ("NEWTRUE", b"\x88", "True"),
    ("NEWFALSE", b"\x89", "False"),
    ("LONG1", b"\x8a\x02\0\x80", "-32768"),
    ("LONG4", b"\x8b\x09\0\0\0\0\0\0\0\0\0\0\0\x40", "1180591620717411303424"),
    ("SHORT_BINUNICODE", b"\x8c\x01a", "\"a\""),
    ("BINUNICODE8", b"\x8d\x01\0\0\0\0\0\0\0a", "\"a\""),
    ("BINBYTES8", b"\x8e\x01\0\0\0\0\0\0\0a", "b\"a\""),
    ("EMPTY_SET", b"\x8f", "set()"),
    ("ADDITEMS", b"\x8f(K\x01K\x02\x90", "set(1, 2)"),
    ("FROZENSET", b"(K\x01K\x02\x91", "frozenset(1, 2)"),
    ("NEWOBJ_EX", b"cm\nC\n)}\x92", "NEWOBJ_EX(m.C, (), kwargs={})"),
    ("STACK_GLOBAL", b"\x8c\x01m\x8c\x03C.d\x93", "m.C.d"),
    ("MEMOIZE", b"]\x94h\0\x86", "([], [])"),
    ("FRAME", b"\x95\x02\0\0\0\0\0\0\0N", "None"),
    ("BYTEARRAY8", b"\x96\x01\0\0\0\0\0\0\0a", "bytearray(\"a\")"),
    ("NEXT_BUFFER", b"\x97", "error: at byte 0 (NEXT_BUFFER): the pickle refers to a buffer"),
    ("READONLY_BUFFER", b"N\x98", "error: at byte 1 (READONLY_BUFFER): the pickle refers to a buffer"),
];

#[test]
fn case_044_each_opcode_alone() {
    for &(name, pickle, expected) in ALONE {
        let shown = shown(&[pickle, b"."].concat());
        let matches = if expected.starts_with("error") { shown.starts_with(expected) } else { shown == expected };
        assert!(matches, "{name}: {shown} instead of {expected}");
    }
    let names: Vec<_> = ALONE.iter().map(|row| row.0).collect();
    assert_eq!(names, PICKLETOOLS.map(|row| row.1));
}

#[test]
fn case_044_each_opcode_truncated_at_each_byte_is_an_error() {
    for &(name, pickle, _) in ALONE {
        for len in 0..=pickle.len() {
            let error = decode(&pickle[..len], &Limits::default()).expect_err(name);
            assert!(error.offset().is_some_and(|offset| offset <= len as u64), "{name} cut to {len}: {error}");
        }
    }
    assert_error(
        b"X\x05\0\0\0abc",
        ErrorKind::Malformed,
        "(BINUNICODE): the pickle is truncated: reading its length and data needs 5 more bytes, but 3 are left",
    );
    assert_error(b"G123", ErrorKind::Malformed, "reading its argument needs 8 more bytes, but 3 are left");
    assert_error(
        b"NI12",
        ErrorKind::Malformed,
        "at byte 1 (INT): the pickle is truncated: its argument has no newline at its end",
    );
}

#[test]
fn bytes_that_are_no_opcode_are_named() {
    for byte in (0..=u8::MAX).filter(|&byte| Opcode::from_byte(byte).is_none()) {
        assert_error(&[b'N', byte, b'.'], ErrorKind::Malformed, &format!("at byte 1: 0x{byte:02x} is not an opcode"));
    }
}

#[test]
fn text_arguments_are_read_as_python_reads_them() {
    for (pickle, expected) in [
        (&b"I00\n."[..], "False"),
        (b"I01\n.", "True"),
        (b"I0\n.", "0"),
        (b"I1\n.", "1"),
        (b"I+5\n.", "5"),
        (b"I9223372036854775808\n.", "9223372036854775808"),
        (b"L-9223372036854775808L\n.", "-9223372036854775808"),
        (b"L5\n.", "5"),
        (b"Fnan\n.", "NaN"),
        (b"Finf\n.", "inf"),
        (b"F-inf\n.", "-inf"),
        (b"F1.\n.", "1.0"),
        (b"F-0\n.", "-0.0"),
        (b"S''\n.", "py2\"\""),
        (b"S\"a'b\"\n.", r#"py2"a\'b""#),
        (b"S'\\\\\\a\\b\\f\\t\\r\\v\\0\\1234\\777'\n.", r#"py2"\\\x07\x08\x0c\t\r\x0b\x00S4\xff""#),
        (b"V\n.", "\"\""),
        (b"V\\u000a\\x\\\n.", r#""\n\\x\\""#),
    ] {
        assert_eq!(shown(pickle), expected, "{}", pickle.escape_ascii());
    }
}

#[test]
fn text_arguments_that_say_nothing_are_errors() {
    for (pickle, text) in [
        (&b"I\n."[..], "`` is not a decimal integer"),
        (b"I007\n.", "`007` is not a decimal integer"),
        (b"I 5\n.", "is not a decimal integer"),
        (b"I1_0\n.", "is not a decimal integer"),
        (b"I0x10\n.", "is not a decimal integer"),
        (b"I-\n.", "is not a decimal integer"),
        (b"I\xff\n.", "is not a decimal integer"),
        (b"L5LL\n.", "`5L` is not a decimal integer"),
        (b"F\n.", "is not a float"),
        (b"F 1\n.", "is not a float"),
        (b"Np-1\n.", "`-1` is not a memo index"),
        (b"Np4294967296\n.", "is not a memo index"),
        (b"g\n.", "is not a memo index"),
        (b"Sabc\n.", "is not a quoted string"),
        (b"S'abc\"\n.", "is not a quoted string"),
        (b"S'\n.", "is not a quoted string"),
        (b"S'a\\'\n.", "ends in a lone backslash"),
        (b"S'\\x4'\n.", "without two hexadecimal digits"),
        (b"V\\u20\n.", "without its 4 hexadecimal digits"),
        (b"V\\U0011ffff\n.", "U+11FFFF is not a character"),
        (b"P\xff\n.", "is not UTF-8"),
        (b"c\nx\n.", "the name of a global is empty"),
        (b"cm\n\xff\n.", "the name of a global is not UTF-8"),
    ] {
        assert_error(pickle, ErrorKind::Malformed, text);
    }
}

#[test]
fn case_049_long_integers() {
    for (argument, expected) in [
        (&b"\0"[..], "0"),
        (b"\x01\xff", "-1"),
        (b"\x01\x7f", "127"),
        (b"\x02\xff\x00", "255"),
        (b"\x02\x00\xff", "-256"),
        (b"\x03\xff\xff\xff", "-1"),
        (b"\x08\0\0\0\0\0\0\0\x80", "-9223372036854775808"),
        (b"\x09\0\0\0\0\0\0\0\x80\0", "9223372036854775808"),
        (b"\x09\0\0\0\0\0\0\0\x80\xff", "-9223372036854775808"),
        (b"\x09\0\0\0\0\0\0\0\0\x40", "1180591620717411303424"),
    ] {
        assert_eq!(shown(&Assembler::new().with(Opcode::Long1, argument).stop()), expected);
    }
    let wide = [0x11; 300];
    let shown_wide = shown(&Assembler::new().counted(Opcode::Long4, 300, wide).stop());
    assert_eq!(shown_wide, BigInt::from_signed_bytes_le(&wide).to_string());
    let negative = Assembler::new().counted(Opcode::Long4, u32::MAX, "").stop();
    assert_error(&negative, ErrorKind::Malformed, "(LONG4): its length is negative (-1)");
}

#[test]
fn decimal_text_is_capped_where_python_caps_it() {
    let digits = |n: usize| [b"L", &vec![b'9'; n][..], b"L\n."].concat();
    assert_eq!(shown(&digits(4300)).len(), 4300);
    assert_error(&digits(4301), ErrorKind::Limit, "the integer has 4301 decimal digits");
}

#[test]
fn case_050_booleans_and_floats_of_protocol_0() {
    assert_eq!(shown(b"(I01\nI1\nI00\nFnan\nF-inf\nG\x3f\xf8\0\0\0\0\0\0t."), "(True, 1, False, NaN, -inf, 1.5)");
}

#[test]
fn case_056_text_may_hold_lone_surrogates_but_no_other_invalid_utf8() {
    let text = |bytes: &[u8]| Assembler::new().counted(Opcode::BinUnicode, bytes.len() as u32, bytes).stop();
    assert_eq!(shown(&text(b"a\xed\xa0\x80b\xed\xbf\xbf")), r#"surrogates("a�b�", a\xed\xa0\x80b\xed\xbf\xbf)"#);
    assert_eq!(shown(b"V\\ud800\xe9\n."), r#"surrogates("�é", \xed\xa0\x80\xc3\xa9)"#);
    for (bytes, at) in [
        (&b"\xff\xfe"[..], 0),
        (b"ab\xed\xa0", 2),
        (b"\xed\xa0\x80\xed\x9f", 3),
        (b"\xc0\x80", 0),
        (b"\xf4\x90\x80\x80", 0),
    ] {
        let error = assert_error(&text(bytes), ErrorKind::Malformed, &format!("byte {at} of the text is not UTF-8"));
        assert_eq!((error.offset(), error.opcode()), (Some(0), Some("BINUNICODE")));
    }
    assert_eq!(shown(b"U\x02\xff\xfe."), r#"py2"\xff\xfe""#);
}

#[test]
fn case_057_lengths_are_held_against_what_is_left() {
    for opcode in [Opcode::BinBytes8, Opcode::BinUnicode8, Opcode::ByteArray8] {
        for declared_len in [1 << 63, u64::MAX, 5] {
            let pickle = Assembler::new().counted64(opcode, declared_len, "abc").stop();
            assert_error(&pickle, ErrorKind::Malformed, &format!("needs {declared_len} more bytes, but 4 are left"));
        }
    }
    for opcode in [Opcode::BinBytes, Opcode::BinUnicode] {
        assert_error(
            &Assembler::new().counted(opcode, u32::MAX, "abc").stop(),
            ErrorKind::Malformed,
            "4294967295 more bytes",
        );
    }
    for opcode in [Opcode::BinString, Opcode::Long4] {
        assert_error(
            &Assembler::new().counted(opcode, 1 << 31, "abc").stop(),
            ErrorKind::Malformed,
            "negative (-2147483648)",
        );
    }
}

/// Found by fuzzing: whether a frame fits was told by what followed the pickle.
#[test]
fn a_frame_ends_with_its_pickle_whatever_follows() {
    let frame = |len: u64| Assembler::new().with(Opcode::Frame, len.to_le_bytes()).op(Opcode::None).stop();
    assert_eq!(shown(&frame(2)), "None");
    for len in [3, 1 << 63, u64::MAX] {
        for following in [0, 1, 100] {
            let pickle = [frame(len), vec![0; following]].concat();
            let error = assert_error(&pickle, ErrorKind::Malformed, "bytes beyond its end; the pickle is damaged");
            assert_eq!((error.offset(), error.opcode()), (Some(10), Some("STOP")));
        }
    }
}
