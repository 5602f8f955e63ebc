//! The same call in every way that a pickle can write it, and what makes other readers of pickles stop before they see it.

use super::{PAYLOAD, assert_dangerous, assert_verdict, scanned};
use torch_checkpoint::{ScanOptions, Verdict};

#[test]
fn every_opcode_that_names_or_calls_is_seen() {
    let cases: [(&str, &[u8]); 20] = [
        ("GLOBAL and REDUCE", PAYLOAD),
        ("INST", b"(S'ls'\nios\nsystem\n."),
        ("OBJ", b"(cos\nsystem\nS'ls'\no."),
        ("OBJ with the class from the memo", b"cos\nsystem\np7\n0(g7\nS'ls'\no."),
        ("NEWOBJ", b"\x80\x02csubprocess\nPopen\nX\x02\0\0\0ls\x85\x81."),
        ("NEWOBJ_EX", b"\x80\x04csubprocess\nPopen\n)}\x8c\x04args\x8c\x02lss\x92."),
        ("NEWOBJ_EX with keywords made by a call", b"\x80\x04csubprocess\nPopen\n)ccollections\nOrderedDict\n)R\x92."),
        ("NEWOBJ with arguments made by a call", b"\x80\x04csubprocess\nPopen\nctorch\nSize\n)R\x81."),
        ("STACK_GLOBAL", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R."),
        ("STACK_GLOBAL with texts of protocol 0", b"Vos\nVsystem\n\x93(S'ls'\ntR."),
        ("STACK_GLOBAL with escapes", b"Vo\\u0073\nV\\u0073ystem\n\x93(S'ls'\ntR."),
        ("STACK_GLOBAL with strings of Python 2", b"U\x02osS'sys\\x74em'\n\x93(S'ls'\ntR."),
        ("STACK_GLOBAL with long texts", b"\x8d\x02\0\0\0\0\0\0\0osX\x06\0\0\0system\x93(S'ls'\ntR."),
        ("STACK_GLOBAL from the memo", b"Vos\np2\n0Vsystem\np3\n0Vmath\np0\n0g2\ng3\n\x93(S'ls'\ntR."),
        ("STACK_GLOBAL from an overwritten memo", b"Vmath\np0\n0Vos\np0\n0g0\nVsystem\n\x93(S'ls'\ntR."),
        ("STACK_GLOBAL with MEMOIZE", b"\x80\x04\x8c\x06system\x94\x8c\x02os\x940h\x01h\0\x93\x8c\x02ls\x85R."),
        (
            "STACK_GLOBAL with an index of the memo that only Python reads",
            b"Vos\np1_0\n0Vsystem\np +1\n0g10\ng1\n\x93(S'ls'\ntR.",
        ),
        ("DUP", b"Vos\n2Vsystem\n\x93(S'ls'\ntR."),
        ("POP of a mark", b"cos\nsystem\n(0(S'ls'\ntR."),
        ("POP_MARK", b"cos\nsystem\n(NN1(S'ls'\ntR."),
    ];
    for (what, bytes) in cases {
        let report = scanned(bytes);
        assert_dangerous(bytes, what);
        let called = report.findings.iter().any(|finding| {
            matches!(&*finding.global, "os.system" | "posix.system" | "subprocess.Popen") && finding.reason.len() > 10
        });
        assert!(called, "{what}: {:?}", report.findings);
    }
}

#[test]
fn what_stops_other_readers_does_not_hide_what_follows() {
    let cases: [(&str, &[u8]); 16] = [
        ("a hexadecimal integer", b"I0x10\n0"),
        ("an octal integer", b"I0o7\n0"),
        ("a long with an underscore", b"L1_0L\n0"),
        ("a float as only Python writes it", b"F1_0.5\n0"),
        ("a later protocol", b"\x80\x7f"),
        ("two protocols", b"\x80\x02\x80\x04"),
        ("a frame that is too long", b"\x95\xff\xff\xff\xff\0\0\0\0"),
        ("a frame that is too short", b"\x95\x01\0\0\0\0\0\0\0"),
        ("a buffer beside the pickle", b"\x970"),
        ("a state for a list", b"]}b0"),
        ("an odd number of items", b"(N}(Nu00"),
        ("an item for a number", b"NNa0"),
        ("a list as a key", b"}]Ns0"),
        ("text that is not UTF-8", b"\x8c\x02\xff\xfe0"),
        ("an escape that is none", b"V\\uzzzz\n0"),
        ("a quoted string without quotes", b"Sls\n0"),
    ];
    for (what, before) in cases {
        assert_dangerous([before, PAYLOAD].concat(), what);
    }
}

#[test]
fn what_ran_before_a_break_has_run() {
    let whole = &PAYLOAD[..PAYLOAD.len() - 1];
    let cases: [(&str, &[u8]); 8] = [
        ("the end", b""),
        ("an unknown opcode", b"\xff"),
        ("a stack that is empty", b"000."),
        ("a mark that is missing", b"t."),
        ("a memo that is empty", b"g9\n."),
        ("a text that is cut off", b"X\xff\xff\0\0abc"),
        ("an argument that is cut off", b"J\0"),
        ("zeros", &[0; 64]),
    ];
    for (what, after) in cases {
        assert_dangerous([whole, after].concat(), what);
    }
    // Every beginning that holds the call.
    for len in whole.len()..PAYLOAD.len() {
        assert_dangerous(&PAYLOAD[..len], "a beginning");
    }
    // Before the name is whole nothing has run.
    for len in 0..b"cos\nsystem".len() {
        assert_verdict(&PAYLOAD[..len], Verdict::Unreadable, "too short a beginning");
    }
}

#[test]
fn names_that_the_pickle_computes_are_dangerous() {
    // str(b"os", "ascii") as a module.
    let computed = b"cbuiltins\nstr\n(C\x02osS'ascii'\ntRVsystem\n\x93(S'ls'\ntR.";
    let report = scanned(computed);
    assert_eq!(report.verdict, Verdict::Dangerous);
    assert!(report.findings.iter().any(|finding| finding.global == "(a computed name)"), "{:?}", report.findings);
    let long = [b"V", "a".repeat(2000).as_bytes(), b"\nVx\n\x93."].concat();
    assert_dangerous(long, "a name that is too long");
}

#[test]
fn pickles_behind_the_first_are_read() {
    assert_dangerous([b"\x80\x02}.", PAYLOAD].concat(), "the second");
    assert_dangerous([b"N.I1\n.\x80\x02].".as_slice(), PAYLOAD].concat(), "the fourth");
    assert_dangerous([b"\x80\x02}.", &[0xaa; 100][..], b"\x80\x02", PAYLOAD].concat(), "behind other bytes");
    // What follows and is none is no error.
    assert_verdict(b"\x80\x02}.and text".to_vec(), Verdict::Safe, "text behind");
    // Offsets are those of the file.
    let report = scanned([b"\x80\x02}.", PAYLOAD].concat());
    assert_eq!((report.findings[0].offset, report.pickles), (4, 2));
}

#[test]
fn extension_codes_need_trust() {
    for bytes in [&b"\x80\x02\x82\x01."[..], b"\x80\x02\x83\xff\0)R.", b"\x80\x02\x84\x01\x02\0\0)\x81."] {
        let report = scanned(bytes);
        assert_eq!(report.verdict, Verdict::NeedsTrust, "{:?}", report.findings);
        assert!(report.findings[0].global.starts_with("(extension "), "{:?}", report.findings);
    }
}

#[test]
fn a_scan_is_bounded() {
    // A text that serves as a name in every third byte, a state that is given over and over, a call of a call of a call.
    let name = [&b"X\xe0\x03\0\0"[..], &[b'a'; 992], b"q\0"].concat();
    let names = [b"\x80\x02", &name[..], &b"h\0h\0\x930".repeat(200_000), b"."].concat();
    let big_dict = [&b"}(X\x01\0\0\0aNX\x03\0\0\0addcm\nn\nuq\x01"[..], b"0]"].concat();
    let states = [b"\x80\x02", &big_dict[..], &b"h\x01b".repeat(300_000), b"."].concat();
    let results = [b"\x80\x02cm\nn\n".as_slice(), &b")R".repeat(300_000), b"."].concat();
    // Many beginnings of pickles, each of which goes on to the end.
    let beginnings = [b"\x80\x02}.", &b"\x80\x02N0".repeat(100_000)[..]].concat();
    for bytes in [names, states, results, beginnings] {
        let report = scanned(bytes);
        assert!(report.findings.len() <= torch_checkpoint::Report::MAX_FINDINGS + 1_000);
    }
    // More names than are listed, the worst of them last.
    let mut many = b"\x80\x02".to_vec();
    for n in 0..12_000 {
        many.extend(format!("cpackage{n}\nname\n0").as_bytes());
    }
    many.extend_from_slice(PAYLOAD);
    let report = scanned(many);
    assert_eq!(report.verdict, Verdict::Dangerous);
    assert!(report.findings.iter().any(|finding| finding.global == "os.system"));
    assert!(report.errors.iter().any(|error| error.to_string().contains("more names")), "{:?}", report.errors);
    // The caller's limits hold.
    let mut limits = torch_checkpoint::Limits::default();
    limits.pickle_bytes = 8;
    let report = ScanOptions::new().limits(limits).scan_bytes(PAYLOAD.to_vec());
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert!(report.errors[0].to_string().contains("pickle_bytes"), "{:?}", report.errors);
}
