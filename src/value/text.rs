//! Values as Python would print them: dict keys in paths, type names, one-line summaries.

use std::borrow::Cow;

use num_bigint::BigInt;

use crate::error::Shown;
use crate::pickle::graph::{Node, NodeId};
use crate::torch::{Meant, Program};

/// Tuples within tuples in a dict key are followed this deep.
const KEY_DEPTH: usize = 16;

/// A dict key as one piece of a path: Python's `str(key)`, and `<module.Class>` for what has no known text.
pub(crate) fn key_text(program: &Program, key: NodeId) -> Cow<'_, str> {
    match program.text(key) {
        Some(text) => text,
        None => Cow::Owned(plain(program, key, KEY_DEPTH, false)),
    }
}

/// Bytes after which the text of a tuple is cut: its items may be shared tuples that share theirs, 10^16 long in print.
const TEXT_BYTES: usize = 1 << 16;

/// Bytes of an int above which its digits are not written out, which takes time by the square. Python stops at 4,300
/// digits, a ninth of this.
const INT_BYTES: usize = 1 << 14;

/// `str(value)`, or `repr(value)` inside containers, of what can be a dict key.
fn plain(program: &Program, node: NodeId, depth: usize, repr: bool) -> String {
    let mut out = String::new();
    write_plain(program, node, depth, repr, &mut out);
    out
}

fn write_plain(program: &Program, node: NodeId, depth: usize, repr: bool, out: &mut String) {
    let text: Cow<'_, str> = match program.meant(node) {
        Meant::Tuple(items) => {
            return write_items(program, items, depth, "(", if items.len() == 1 { ",)" } else { ")" }, out);
        }
        Meant::Size(sizes) => return write_items(program, sizes, 1, "torch.Size([", "])", out),
        Meant::None => "None".into(),
        Meant::Bool(true) => "True".into(),
        Meant::Bool(false) => "False".into(),
        Meant::Int(value) => value.to_string().into(),
        Meant::BigInt(bytes) if bytes.len() > INT_BYTES => format!("<int of {} bytes>", bytes.len()).into(),
        Meant::BigInt(bytes) => BigInt::from_signed_bytes_le(bytes).to_string().into(),
        Meant::Float(value) => float(value).into(),
        Meant::Complex(re, im) => complex(re, im).into(),
        Meant::Str(text) if repr => quoted(text.text).into(),
        Meant::Str(text) => text.text.into(),
        Meant::PyString(bytes) => {
            let text = crate::torch::python2_text(bytes);
            if repr { quoted(&text).into() } else { text }
        }
        Meant::Bytes(bytes) => format!("b{}", quoted_bytes(&bytes)).into(),
        Meant::DType(dtype) => format!("torch.{dtype}").into(),
        Meant::Layout(name) | Meant::QScheme(name) => format!("torch.{name}").into(),
        Meant::Device(device) if repr => match device.index() {
            Some(index) => format!("device(type='{}', index={index})", device.type_name()).into(),
            None => format!("device(type='{device}')").into(),
        },
        Meant::Device(device) => device.to_string().into(),
        Meant::Global(_) => format!("<{}>", program.qualified_name(node).unwrap_or_default()).into(),
        Meant::FrozenSet(_) => "<builtins.frozenset>".into(),
        Meant::Storage(_) => "<torch.storage.TypedStorage>".into(),
        Meant::Tensor(tensor) if tensor.is_parameter() => "<torch.nn.parameter.Parameter>".into(),
        _ => format!("<{}>", type_name(program, node)).into(),
    };
    out.push_str(&text);
}

/// The items of a tuple, down to `depth` levels. Each item writes something, so the cut bounds the work too.
fn write_items(program: &Program, items: &[NodeId], depth: usize, open: &str, close: &str, out: &mut String) {
    out.push_str(open);
    match depth.checked_sub(1) {
        None => out.push('…'),
        Some(depth) => {
            for (n, &item) in items.iter().enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                if out.len() > TEXT_BYTES {
                    out.push('…');
                    break;
                }
                write_plain(program, item, depth, true, out);
            }
        }
    }
    out.push_str(close);
}

/// Python's name of a value's type.
pub(super) fn type_name(program: &Program, node: NodeId) -> Cow<'static, str> {
    Cow::Borrowed(match program.meant(node) {
        Meant::None => "NoneType",
        Meant::Bool(_) => "bool",
        Meant::Int(_) | Meant::BigInt(_) => "int",
        Meant::Float(_) => "float",
        Meant::Complex(..) => "complex",
        Meant::Str(_) | Meant::PyString(_) => "str",
        Meant::Bytes(_) => "bytes",
        Meant::ByteArray(_) => "bytearray",
        Meant::List(_) => "list",
        Meant::Tuple(_) => "tuple",
        Meant::Size(_) => "torch.Size",
        Meant::Set(_) => "set",
        Meant::FrozenSet(_) => "frozenset",
        Meant::Tensor(tensor) if tensor.is_parameter() => "torch.nn.Parameter",
        Meant::Tensor(_) => "torch.Tensor",
        Meant::Storage(_) => "torch.storage.UntypedStorage",
        Meant::DType(_) => "torch.dtype",
        Meant::Device(_) => "torch.device",
        Meant::Layout(_) => "torch.layout",
        Meant::QScheme(_) => "torch.qscheme",
        Meant::Global(_) => "type",
        Meant::Extension(code) => return Cow::Owned(format!("copyreg extension {code}")),
        Meant::Dict(_) => match program.graph().node(node) {
            Node::Object(object) => return Cow::Owned(program.qualified_name(object.callable).unwrap_or_default()),
            _ => "dict",
        },
        Meant::Object(object) => {
            return match program.qualified_name(object.class) {
                Some(name) => Cow::Owned(name),
                None => Cow::Borrowed("object"),
            };
        }
    })
}

/// One line for people and messages.
pub(super) fn summary(program: &Program, node: NodeId) -> String {
    match program.meant(node) {
        Meant::Str(text) => Shown(text.text).to_string(),
        Meant::Dict(entries) => format!("{} of {}", type_name(program, node), entries.len()),
        Meant::List(items) | Meant::Set(items) | Meant::FrozenSet(items) => {
            format!("{} of {}", type_name(program, node), items.len())
        }
        Meant::Tuple(items) if items.len() > 8 => format!("tuple of {}", items.len()),
        Meant::Bytes(bytes) | Meant::ByteArray(bytes) => format!("{} of {}", type_name(program, node), bytes.len()),
        Meant::Tensor(tensor) => format!("tensor {} {:?} on {}", tensor.dtype(), tensor.shape(), tensor.device()),
        Meant::Storage(storage) => format!("storage of {} bytes on {}", storage.nbytes(), storage.device()),
        Meant::Object(_) | Meant::Extension(_) => format!("<{}>", type_name(program, node)),
        _ => plain(program, node, KEY_DEPTH, false),
    }
}

/// Python's `repr(float)`: the shortest digits that give the number again, an exponent from 1e16 and below 1e-4.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        // Rust writes `1e16` and `1.5e-7`; Python has a sign and at least two digits.
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

fn complex(re: f64, im: f64) -> String {
    // Python drops the `.0` of whole parts, and the real part when it is +0.
    let part = |value: f64| {
        let text = float(value);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    if re == 0.0 && re.is_sign_positive() {
        return format!("{}j", part(im));
    }
    let sign = if im.is_sign_negative() && !im.is_nan() { "" } else { "+" };
    format!("({}{sign}{}j)", part(re), part(im))
}

/// Python's `repr(str)`.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Python's `repr(bytes)` without the `b`.
fn quoted_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => out.extend(['\\', quote]),
            0x20..=0x7e => out.push(char::from(b)),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (value, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (5e-324, "5e-324"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), text);
        }
        assert_eq!(complex(1.0, -2.5), "(1-2.5j)");
        assert_eq!(complex(0.0, 1.0), "1j");
    }

    #[test]
    fn text_and_bytes_are_quoted_as_python_quotes_them() {
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("a\n"), "'a\\n'");
        assert_eq!(quoted_bytes(b"a\xff'"), "\"a\\xff'\"");
    }
}
