//! Tensors larger than a piece, and how much memory they take.

use std::io::Write as _;

use zip::CompressionMethod;

use super::{assert_has, converted, flat, named};
use crate::refusal;
use crate::usage::tempdir;

/// How a tensor views its storage.
struct View<'a> {
    name: &'a str,
    sizes: &'a [u32],
    strides: &'a [u32],
    /// Elements of the storage.
    elements: u32,
}

/// An archive of `float32` tensors in one dimension, each of so many bytes.
pub(super) fn archive(tensors: &[(&str, u32)], method: CompressionMethod) -> Vec<u8> {
    let sizes: Vec<[u32; 1]> = tensors.iter().map(|(_, bytes)| [bytes / 4]).collect();
    let views = tensors.iter().zip(&sizes);
    let views = views.map(|((name, bytes), sizes)| View { name, sizes, strides: &[1], elements: bytes / 4 });
    archive_of(&views.collect::<Vec<_>>(), method)
}

fn archive_of(views: &[View<'_>], method: CompressionMethod) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    let int = |pickle: &mut Vec<u8>, int: u32| {
        pickle.push(b'J');
        pickle.extend(int.to_le_bytes());
    };
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        pickle.extend(text.as_bytes());
    };
    for (number, view) in views.iter().enumerate() {
        text(&mut pickle, view.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &number.to_string());
        text(&mut pickle, "cuda:0");
        int(&mut pickle, view.elements);
        pickle.extend(b"tQK\x00");
        for dims in [view.sizes, view.strides] {
            pickle.push(b'(');
            dims.iter().for_each(|&dim| int(&mut pickle, dim));
            pickle.push(b't');
        }
        pickle.extend(b"\x89}tR");
    }
    pickle.extend(b"u.");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut record = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("archive/{name}"), options).unwrap();
        archive.write_all(bytes).unwrap();
    };
    record("data.pkl", &pickle);
    record("version", b"3\n");
    for (number, view) in views.iter().enumerate() {
        let numbers = (0..view.elements).flat_map(|n| (n as f32).to_le_bytes());
        record(&format!("data/{number}"), &numbers.collect::<Vec<u8>>());
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn large_tensors_go_through_in_pieces() {
    let folder = tempdir("large_tensors");
    let views = [
        View { name: "row", sizes: &[1, 1, 5_000_003], strides: &[1, 1, 1], elements: 5_000_003 },
        View { name: "turned", sizes: &[1999, 3001], strides: &[1, 1999], elements: 1999 * 3001 },
        View { name: "middle", sizes: &[3, 1000, 1001], strides: &[1001, 3003, 1], elements: 3 * 1000 * 1001 },
        View { name: "small", sizes: &[], strides: &[], elements: 1 },
    ];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let input = folder.join(format!("{method:?}.pt"));
        std::fs::write(&input, archive_of(&views, method)).unwrap();
        let (_, out) = converted("large_tensors_out", input.to_str().unwrap(), &[]);
        assert_has(&out, named(&flat(&input)));

        let (_, out) = converted("large_tensors_f16", input.to_str().unwrap(), &["--dtype", "f16"]);
        let bytes = std::fs::read(out).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in &flat(&input) {
            let numbers = tensor.cast::<torch_checkpoint::half::f16>().unwrap();
            let expected: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            assert!(file.tensor(name).unwrap().data() == expected, "{name}");
        }
    }
}

/// Less memory than the smallest of the tensors; the mapped file is no data of the process.
#[cfg(target_os = "linux")]
#[test]
fn a_file_larger_than_memory_goes_through() {
    let folder = tempdir("larger_than_memory");
    let input = folder.join("in.pt");
    std::fs::write(&input, archive(&[("a", 80 << 20), ("b", 80 << 20)], CompressionMethod::Stored)).unwrap();
    for dtype in ["f32", "bf16"] {
        let out = folder.join("out.safetensors");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -d 32768 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_torch-checkpoint"), "convert"]);
        command.arg(&input).arg(&out).args(["--force", "--dtype", dtype]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn four_bytes_do_not_fill_the_disk() {
    let folder = tempdir("four_bytes");
    let input = folder.join("in.pt");
    let view = View { name: "wide", sizes: &[1 << 20, 1 << 20], strides: &[0, 0], elements: 1 };
    std::fs::write(&input, archive_of(&[view], CompressionMethod::Stored)).unwrap();
    let out = folder.join("out.safetensors");
    let message = refusal(&["convert", input.to_str().unwrap(), out.to_str().unwrap()]);
    assert!(message.contains("`wide`") && message.contains("expanded"), "{message}");

    // A view that repeats less is written out.
    let view = View { name: "row", sizes: &[1000, 4], strides: &[0, 1], elements: 4 };
    std::fs::write(&input, archive_of(&[view], CompressionMethod::Stored)).unwrap();
    let (_, out) = converted("four_numbers", input.to_str().unwrap(), &[]);
    assert_has(&out, named(&flat(&input)));
}
