//! No bytes make the machine panic, and what is assembled is what is decoded.

use super::super::opcode::{Argument, Opcode};
use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(44), failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// Keys are distinct texts.
    Dict(Vec<Value>),
    Object(Vec<Value>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300_i64..300).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(6, 200, 20, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..20);
        prop_oneof![
            many().prop_map(Value::Tuple),
            many().prop_map(Value::List),
            many().prop_map(Value::Dict),
            many().prop_map(Value::Object),
        ]
    })
}

/// Appends the pickle of a value, in the forms of protocol 0, 2 or 4.
fn assemble(out: Assembler, value: &Value, protocol: u8) -> Assembler {
    let all = |out, items: &[Value]| items.iter().fold(out, |out, item| assemble(out, item, protocol));
    match value {
        Value::None => out.op(Opcode::None),
        Value::Bool(value) if protocol == 0 => out.with(Opcode::Int, format!("0{}\n", u8::from(*value))),
        Value::Bool(true) => out.op(Opcode::NewTrue),
        Value::Bool(false) => out.op(Opcode::NewFalse),
        Value::Int(value) if protocol == 0 => out.with(Opcode::Long, format!("{value}L\n")),
        Value::Int(value) => match (u8::try_from(*value), i32::try_from(*value)) {
            (Ok(byte), _) => out.with(Opcode::BinInt1, [byte]),
            (_, Ok(int)) => out.int(int),
            _ => out.with(Opcode::Long1, [8]).raw(value.to_le_bytes()),
        },
        Value::Float(value) if protocol == 0 => out.with(Opcode::Float, format!("{value:?}\n")),
        Value::Float(value) => out.with(Opcode::BinFloat, value.to_be_bytes()),
        Value::Text(text) if protocol == 0 => {
            let escaped = text.chars().map(|c| match u32::from(c) {
                code @ (0..32 | 0x5c) => format!("\\u{code:04x}").into_bytes(),
                code @ ..=0xff => vec![code as u8],
                code => format!("\\U{code:08x}").into_bytes(),
            });
            out.with(Opcode::Unicode, escaped.flatten().collect::<Vec<_>>()).raw("\n")
        }
        Value::Text(text) if protocol == 4 => {
            out.counted64(Opcode::BinUnicode8, text.len() as u64, text).op(Opcode::Memoize)
        }
        Value::Text(text) => out.text(text),
        Value::Bytes(bytes) if protocol == 4 => out.counted64(Opcode::BinBytes8, bytes.len() as u64, bytes),
        Value::Bytes(bytes) => out.counted(Opcode::BinBytes, bytes.len() as u32, bytes),
        Value::Tuple(items) => match items.len() {
            1 if protocol > 0 => all(out, items).op(Opcode::Tuple1),
            2 if protocol > 0 => all(out, items).op(Opcode::Tuple2),
            3 if protocol > 0 => all(out, items).op(Opcode::Tuple3),
            _ => all(out.op(Opcode::Mark), items).op(Opcode::Tuple),
        },
        Value::List(items) if protocol == 0 => {
            let list = out.op(Opcode::Mark).op(Opcode::List);
            items.iter().fold(list, |out, item| assemble(out, item, protocol).op(Opcode::Append))
        }
        Value::List(items) => all(out.op(Opcode::EmptyList).op(Opcode::Mark), items).op(Opcode::Appends),
        Value::Dict(items) => {
            let out = if protocol == 0 { out.raw("(d") } else { out.raw("}(") };
            let out = items.iter().enumerate().fold(out, |out, (n, item)| {
                let entry = assemble(out.text(&n.to_string()), item, protocol);
                if protocol == 0 { entry.op(Opcode::SetItem) } else { entry }
            });
            if protocol == 0 { out } else { out.op(Opcode::SetItems) }
        }
        Value::Object(items) => {
            let out = if protocol == 4 { out.text("m").text("C").op(Opcode::StackGlobal) } else { out.raw("cm\nC\n") };
            all(out.op(Opcode::Mark), items).op(Opcode::Tuple).op(Opcode::Reduce)
        }
    }
}

fn write(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(write).collect::<Vec<_>>().join(", ");
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Value::Tuple(items) => format!("({})", all(items)),
        Value::List(items) => format!("[{}]", all(items)),
        Value::Dict(items) => {
            let entries: Vec<_> =
                items.iter().enumerate().map(|(n, item)| format!("\"{n}\": {}", write(item))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Object(items) => format!("REDUCE(m.C, ({}))", all(items)),
    }
}

/// An opcode with an argument that it can be given, and that mostly makes sense.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    (0..Opcode::ALL.len() * 2, any::<[u8; 8]>()).prop_map(|(choice, random)| {
        // Containers, marks and the memo are met more often than one in 68.
        let opcode = Opcode::ALL.get(choice).map_or_else(
            || {
                let often = b"((]}\x8f)NKqhqhaeust\x85\x86\x90\x91lR\x81b";
                Opcode::from_byte(often[choice % often.len()]).unwrap()
            },
            |&(opcode, _)| opcode,
        );
        let small = random[0] % 4;
        let argument = match opcode.argument() {
            Argument::None => vec![],
            Argument::U8 => vec![small],
            Argument::U16 => vec![small, random[1]],
            Argument::I32 | Argument::U32 => vec![small, 0, 0, random[1] & 0x80],
            Argument::U64 => vec![small, 0, 0, 0, 0, 0, 0, 0],
            Argument::F64BigEndian => random.to_vec(),
            Argument::Line if opcode == Opcode::String => b"'a'\n".to_vec(),
            Argument::Line => vec![b'0' + small, b'\n'],
            Argument::TwoLines => b"m\nC\n".to_vec(),
            Argument::Counted8 => [&[small], &random[..small.into()]].concat(),
            Argument::Counted32 | Argument::CountedI32 => [&[small, 0, 0, 0], &random[..small.into()]].concat(),
            Argument::Counted64 => [&[small, 0, 0, 0, 0, 0, 0, 0], &random[..small.into()]].concat(),
        };
        [&[opcode as u8], &argument[..]].concat()
    })
}

/// Looks at everything in a graph: no reference leads out of it, and no container holds a key twice by identity.
fn walk(graph: &Graph) {
    let nodes = graph.ids().count();
    let inside = |ids: &[NodeId]| assert!(ids.iter().all(|id| id.index().is_none_or(|index| index < nodes)));
    for id in graph.ids() {
        match graph.node(id) {
            Node::Tuple(items) | Node::List(items) | Node::Set(items) | Node::FrozenSet(items) => inside(items),
            Node::Dict(entries) => entries.iter().for_each(|&(key, value)| inside(&[key, value])),
            Node::Persistent(id) => inside(&[id]),
            Node::Object(object) => {
                inside(&[object.callable, object.args]);
                inside(object.kwargs.as_slice());
                inside(object.states);
                inside(object.items);
                object.entries.iter().for_each(|&(key, value)| inside(&[key, value]));
            }
            Node::Global(global) => assert!(graph.globals().any(|id| id == global)),
            _ => assert!(!graph.kind_name(id).is_empty()),
        }
    }
    inside(&[graph.root()]);
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn values_come_back(value in value(), protocol in prop::sample::select(&[0_u8, 2, 4][..])) {
        let pickle = assemble(Assembler::new(), &value, protocol).stop();
        prop_assert_eq!(shown(&pickle), write(&value));
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn case_111_random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(decoded) = decode(&bytes, &Limits::default()) {
            walk(&decoded.graph);
        }
    }

    #[test]
    fn case_111_random_opcodes_never_panic(program in prop::collection::vec(instruction(), 0..60)) {
        // A stack that is rarely empty, and an end.
        let pickle = [b"cm\nC\n)Rq\0}q\x01]q\x02K\x01q\x03", &program.concat()[..], b"."].concat();
        match decode(&pickle, &Limits::default()) {
            Ok(decoded) => walk(&decoded.graph),
            Err(error) => prop_assert!(error.offset().is_some_and(|offset| offset <= pickle.len() as u64)),
        }
    }
}
