//! Pickles that Python 3.11 wrote, and one of Python 2.7.

use super::*;

/// `{'name': 'é€😀', 'ints': [...], ..., 'a': shared, 'b': shared, ...}`, at each protocol.
#[rustfmt::skip]
const SAME: [&[u8]; 6] = [
    b"(dp0\nVname\np1\nV\xe9\\u20ac\\U0001f600\np2\nsVints\np3\n(lp4\nI0\naI-1\naI255\naI256\naI65535\naI65536\naL2147483648L\naI-2147483648\naL4611686018427387904L\naL-9223372036854775808L\naL9223372036854775808L\naL1180591620717411303424L\naL-1180591620717411303424L\nasVfloats\np5\n(F0.0\nF-1.5\nF1e+300\nFinf\ntp6\nsVsingle\np7\n(I1\ntp8\nsVpair\np9\n(NI01\ntp10\nsVtriple\np11\n(I00\nV\np12\n(ttp13\nsVfour\np14\n(I1\nI2\nI3\nI4\ntp15\nsVnested\np16\n(lp17\n(lp18\na(dp19\na(lp20\n(dp21\nI1\n(lp22\nI2\nasaasVa\np23\n(lp24\nI7\nasVb\np25\ng24\nsI3\nVint key\np26\ns(I1\nVx\np27\ntp28\nVtuple key\np29\nsVquote's \"\\u005c \\u000a\np30\nVline\\u000abreak\np31\ns.",
    b"}q\0(X\x04\0\0\0nameq\x01X\x09\0\0\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80q\x02X\x04\0\0\0intsq\x03]q\x04(K\0J\xff\xff\xff\xffK\xffM\0\x01M\xff\xffJ\0\0\x01\0L2147483648L\nJ\0\0\0\x80L4611686018427387904L\nL-9223372036854775808L\nL9223372036854775808L\nL1180591620717411303424L\nL-1180591620717411303424L\neX\x06\0\0\0floatsq\x05(G\0\0\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0G~7\xe4<\x88\0u\x9cG\x7f\xf0\0\0\0\0\0\0tq\x06X\x06\0\0\0singleq\x07(K\x01tq\x08X\x04\0\0\0pairq\x09(NI01\ntq\nX\x06\0\0\0tripleq\x0b(I00\nX\0\0\0\0q\x0c)tq\x0dX\x04\0\0\0fourq\x0e(K\x01K\x02K\x03K\x04tq\x0fX\x06\0\0\0nestedq\x10]q\x11(]q\x12}q\x13]q\x14}q\x15K\x01]q\x16K\x02asaeX\x01\0\0\0aq\x17]q\x18K\x07aX\x01\0\0\0bq\x19h\x18K\x03X\x07\0\0\0int keyq\x1a(K\x01X\x01\0\0\0xq\x1btq\x1cX\x09\0\0\0tuple keyq\x1dX\x0c\0\0\0quote's \"\\ \nq\x1eX\n\0\0\0line\nbreakq\x1fu.",
    b"\x80\x02}q\0(X\x04\0\0\0nameq\x01X\x09\0\0\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80q\x02X\x04\0\0\0intsq\x03]q\x04(K\0J\xff\xff\xff\xffK\xffM\0\x01M\xff\xffJ\0\0\x01\0\x8a\x05\0\0\0\x80\0J\0\0\0\x80\x8a\x08\0\0\0\0\0\0\0@\x8a\x08\0\0\0\0\0\0\0\x80\x8a\x09\0\0\0\0\0\0\0\x80\0\x8a\x09\0\0\0\0\0\0\0\0@\x8a\x09\0\0\0\0\0\0\0\0\xc0eX\x06\0\0\0floatsq\x05(G\0\0\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0G~7\xe4<\x88\0u\x9cG\x7f\xf0\0\0\0\0\0\0tq\x06X\x06\0\0\0singleq\x07K\x01\x85q\x08X\x04\0\0\0pairq\x09N\x88\x86q\nX\x06\0\0\0tripleq\x0b\x89X\0\0\0\0q\x0c)\x87q\x0dX\x04\0\0\0fourq\x0e(K\x01K\x02K\x03K\x04tq\x0fX\x06\0\0\0nestedq\x10]q\x11(]q\x12}q\x13]q\x14}q\x15K\x01]q\x16K\x02asaeX\x01\0\0\0aq\x17]q\x18K\x07aX\x01\0\0\0bq\x19h\x18K\x03X\x07\0\0\0int keyq\x1aK\x01X\x01\0\0\0xq\x1b\x86q\x1cX\x09\0\0\0tuple keyq\x1dX\x0c\0\0\0quote's \"\\ \nq\x1eX\n\0\0\0line\nbreakq\x1fu.",
    b"\x80\x03}q\0(X\x04\0\0\0nameq\x01X\x09\0\0\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80q\x02X\x04\0\0\0intsq\x03]q\x04(K\0J\xff\xff\xff\xffK\xffM\0\x01M\xff\xffJ\0\0\x01\0\x8a\x05\0\0\0\x80\0J\0\0\0\x80\x8a\x08\0\0\0\0\0\0\0@\x8a\x08\0\0\0\0\0\0\0\x80\x8a\x09\0\0\0\0\0\0\0\x80\0\x8a\x09\0\0\0\0\0\0\0\0@\x8a\x09\0\0\0\0\0\0\0\0\xc0eX\x06\0\0\0floatsq\x05(G\0\0\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0G~7\xe4<\x88\0u\x9cG\x7f\xf0\0\0\0\0\0\0tq\x06X\x06\0\0\0singleq\x07K\x01\x85q\x08X\x04\0\0\0pairq\x09N\x88\x86q\nX\x06\0\0\0tripleq\x0b\x89X\0\0\0\0q\x0c)\x87q\x0dX\x04\0\0\0fourq\x0e(K\x01K\x02K\x03K\x04tq\x0fX\x06\0\0\0nestedq\x10]q\x11(]q\x12}q\x13]q\x14}q\x15K\x01]q\x16K\x02asaeX\x01\0\0\0aq\x17]q\x18K\x07aX\x01\0\0\0bq\x19h\x18K\x03X\x07\0\0\0int keyq\x1aK\x01X\x01\0\0\0xq\x1b\x86q\x1cX\x09\0\0\0tuple keyq\x1dX\x0c\0\0\0quote's \"\\ \nq\x1eX\n\0\0\0line\nbreakq\x1fu.",
    b"\x80\x04\x95K\x01\0\0\0\0\0\0}\x94(\x8c\x04name\x94\x8c\x09\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x94\x8c\x04ints\x94]\x94(K\0J\xff\xff\xff\xffK\xffM\0\x01M\xff\xffJ\0\0\x01\0\x8a\x05\0\0\0\x80\0J\0\0\0\x80\x8a\x08\0\0\0\0\0\0\0@\x8a\x08\0\0\0\0\0\0\0\x80\x8a\x09\0\0\0\0\0\0\0\x80\0\x8a\x09\0\0\0\0\0\0\0\0@\x8a\x09\0\0\0\0\0\0\0\0\xc0e\x8c\x06floats\x94(G\0\0\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0G~7\xe4<\x88\0u\x9cG\x7f\xf0\0\0\0\0\0\0t\x94\x8c\x06single\x94K\x01\x85\x94\x8c\x04pair\x94N\x88\x86\x94\x8c\x06triple\x94\x89\x8c\0\x94)\x87\x94\x8c\x04four\x94(K\x01K\x02K\x03K\x04t\x94\x8c\x06nested\x94]\x94(]\x94}\x94]\x94}\x94K\x01]\x94K\x02asae\x8c\x01a\x94]\x94K\x07a\x8c\x01b\x94h\x18K\x03\x8c\x07int key\x94K\x01\x8c\x01x\x94\x86\x94\x8c\x09tuple key\x94\x8c\x0cquote's \"\\ \n\x94\x8c\nline\nbreak\x94u.",
    b"\x80\x05\x95K\x01\0\0\0\0\0\0}\x94(\x8c\x04name\x94\x8c\x09\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x94\x8c\x04ints\x94]\x94(K\0J\xff\xff\xff\xffK\xffM\0\x01M\xff\xffJ\0\0\x01\0\x8a\x05\0\0\0\x80\0J\0\0\0\x80\x8a\x08\0\0\0\0\0\0\0@\x8a\x08\0\0\0\0\0\0\0\x80\x8a\x09\0\0\0\0\0\0\0\x80\0\x8a\x09\0\0\0\0\0\0\0\0@\x8a\x09\0\0\0\0\0\0\0\0\xc0e\x8c\x06floats\x94(G\0\0\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0G~7\xe4<\x88\0u\x9cG\x7f\xf0\0\0\0\0\0\0t\x94\x8c\x06single\x94K\x01\x85\x94\x8c\x04pair\x94N\x88\x86\x94\x8c\x06triple\x94\x89\x8c\0\x94)\x87\x94\x8c\x04four\x94(K\x01K\x02K\x03K\x04t\x94\x8c\x06nested\x94]\x94(]\x94}\x94]\x94}\x94K\x01]\x94K\x02asae\x8c\x01a\x94]\x94K\x07a\x8c\x01b\x94h\x18K\x03\x8c\x07int key\x94K\x01\x8c\x01x\x94\x86\x94\x8c\x09tuple key\x94\x8c\x0cquote's \"\\ \n\x94\x8c\nline\nbreak\x94u.",
];

#[test]
fn case_045_every_protocol_says_the_same() {
    let expected = "{\"name\": \"é€😀\", \
        \"ints\": [0, -1, 255, 256, 65535, 65536, 2147483648, -2147483648, 4611686018427387904, -9223372036854775808, \
        9223372036854775808, 1180591620717411303424, -1180591620717411303424], \
        \"floats\": (0.0, -1.5, 1e300, inf), \"single\": (1), \"pair\": (None, True), \"triple\": (False, \"\", ()), \
        \"four\": (1, 2, 3, 4), \"nested\": [[], {}, [{1: [2]}]], \"a\": [7], \"b\": [7], 3: \"int key\", \
        (1, \"x\"): \"tuple key\", \"quote's \\\"\\\\ \\n\": \"line\\nbreak\"}";
    for (protocol, pickle) in SAME.iter().enumerate() {
        assert_eq!(shown(pickle), expected, "protocol {protocol}");
        let graph = decode_all(pickle).unwrap();
        let Node::Dict(entries) = graph.node(graph.root()) else { panic!("no dict") };
        assert_eq!(entries[8].1, entries[9].1, "the list under `a` and `b` is one");
    }
}

#[test]
fn case_045_every_protocol_truncated_anywhere_is_an_error() {
    for pickle in SAME {
        for len in 0..pickle.len() {
            assert_eq!(decode(&pickle[..len], &Limits::default()).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}

/// `[b'\x00\xffA', b'', {1}, frozenset([2]), bytearray(b'xy')]`, which protocols below 5 write as calls, in part.
#[rustfmt::skip]
const BYTES_AND_SETS: [&[u8]; 6] = [
    b"(lp0\nc_codecs\nencode\np1\n(V\\u0000\xffA\np2\nVlatin1\np3\ntp4\nRp5\nac__builtin__\nbytes\np6\n(tRp7\nac__builtin__\nset\np8\n((lp9\nI1\natp10\nRp11\nac__builtin__\nfrozenset\np12\n((lp13\nI2\natp14\nRp15\nac__builtin__\nbytearray\np16\n(g1\n(Vxy\np17\ng3\ntp18\nRp19\ntp20\nRp21\na.",
    b"]q\0(c_codecs\nencode\nq\x01(X\x04\0\0\0\0\xc3\xbfAq\x02X\x06\0\0\0latin1q\x03tq\x04Rq\x05c__builtin__\nbytes\nq\x06)Rq\x07c__builtin__\nset\nq\x08(]q\x09K\x01atq\nRq\x0bc__builtin__\nfrozenset\nq\x0c(]q\x0dK\x02atq\x0eRq\x0fc__builtin__\nbytearray\nq\x10(h\x01(X\x02\0\0\0xyq\x11h\x03tq\x12Rq\x13tq\x14Rq\x15e.",
    b"\x80\x02]q\0(c_codecs\nencode\nq\x01X\x04\0\0\0\0\xc3\xbfAq\x02X\x06\0\0\0latin1q\x03\x86q\x04Rq\x05c__builtin__\nbytes\nq\x06)Rq\x07c__builtin__\nset\nq\x08]q\x09K\x01a\x85q\nRq\x0bc__builtin__\nfrozenset\nq\x0c]q\x0dK\x02a\x85q\x0eRq\x0fc__builtin__\nbytearray\nq\x10h\x01X\x02\0\0\0xyq\x11h\x03\x86q\x12Rq\x13\x85q\x14Rq\x15e.",
    b"\x80\x03]q\0(C\x03\0\xffAq\x01C\0q\x02cbuiltins\nset\nq\x03]q\x04K\x01a\x85q\x05Rq\x06cbuiltins\nfrozenset\nq\x07]q\x08K\x02a\x85q\x09Rq\ncbuiltins\nbytearray\nq\x0bC\x02xyq\x0c\x85q\x0dRq\x0ee.",
    b"\x80\x04\x95;\0\0\0\0\0\0\0]\x94(C\x03\0\xffA\x94C\0\x94\x8f\x94(K\x01\x90(K\x02\x91\x94\x8c\x08builtins\x94\x8c\x09bytearray\x94\x93\x94C\x02xy\x94\x85\x94R\x94e.",
    b"\x80\x05\x95%\0\0\0\0\0\0\0]\x94(C\x03\0\xffA\x94C\0\x94\x8f\x94(K\x01\x90(K\x02\x91\x94\x96\x02\0\0\0\0\0\0\0xy\x94e.",
];

#[test]
fn case_062_bytes_and_sets_at_every_protocol() {
    let calls = r#"[REDUCE(_codecs.encode, ("\0ÿA", "latin1")), REDUCE(__builtin__.bytes, ()), REDUCE(__builtin__.set, ([1])), REDUCE(__builtin__.frozenset, ([2])), REDUCE(__builtin__.bytearray, (REDUCE(_codecs.encode, ("xy", "latin1"))))]"#;
    let expected = [
        calls,
        calls,
        calls,
        r#"[b"\x00\xffA", b"", REDUCE(builtins.set, ([1])), REDUCE(builtins.frozenset, ([2])), REDUCE(builtins.bytearray, (b"xy"))]"#,
        r#"[b"\x00\xffA", b"", set(1), frozenset(2), REDUCE(builtins.bytearray, (b"xy"))]"#,
        r#"[b"\x00\xffA", b"", set(1), frozenset(2), bytearray("xy")]"#,
    ];
    assert_eq!(BYTES_AND_SETS.map(shown), expected);
}
