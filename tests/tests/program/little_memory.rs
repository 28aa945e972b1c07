//! Inputs that need more memory than available end with a message and status 1, without a kill by the system.
//!
//! The program runs in 256 MiB of address space, and every input asks for more.
#![cfg(target_os = "linux")]

use pixelrnn_converter::{Description, Tensor, TrainedModel};
use pixelrnn_tests::integer_model::bytes::{blob_checksum, crc32};
use pixelrnn_tests::program::{Folder, Run, SAME_THREADS};
use pixelrnn_tests::random::Random;
use std::fs::File;
use std::io::Write;

const MIB: usize = 1 << 20;

/// Address space in KiB, the unit of `ulimit -v`.
const SPACE: usize = 256 * 1024;

fn run_in_little_memory(folder: &Folder, line: &str) -> Run {
    folder.run_after(&format!("{SAME_THREADS} && ulimit -v {SPACE}"), line)
}

fn refused(folder: &Folder, line: &str, expected: &str) {
    let run = run_in_little_memory(folder, line);
    assert_eq!(run.status, Some(1), "{line}: {}", run.stderr);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{line}: {}", run.stderr);
    assert!(run.stderr.starts_with("pixelrnn: ") && run.stderr.contains(expected), "{line}: {}", run.stderr);
    assert!(!folder.path("out").exists(), "{line}: an output");
}

/// Sparse file with contents `start` followed by zeros.
fn write_long(folder: &Folder, name: &str, start: &[u8], length: usize) {
    let mut file = File::create(folder.path(name)).unwrap();
    file.write_all(start).unwrap();
    file.set_len((start.len() + length) as u64).unwrap();
}

fn npy_header(shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    [b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes()].concat()
}

#[test]
fn everything_works_in_little_memory() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    for line in [
        "sample -m model.prnn -n 2 -o out",
        "score images.npy -m model.prnn --nats out",
        "score images.npy -m model.safetensors --nats out",
        "complete images.npy -m model.prnn -o out",
        "convert model.safetensors --calibrate images.npy -o out",
        "verify model.safetensors model.prnn images.npy",
        "compress images.npy -m model.prnn -o out.prnz",
        "decompress out.prnz -m model.prnn -o out.npy",
        "inspect model.prnn",
        "context model.prnn -n 1 --row 1 -o out",
    ] {
        run_in_little_memory(&folder, line).good();
    }
}

#[test]
fn a_set_of_images_larger_than_memory_is_refused() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    let size = 5 * 6;
    for (count, what) in [
        (400 * MIB / size, "cannot read many.npy: out of memory"),
        (120 * MIB / size, "many.npy: there is not enough memory for the images"),
    ] {
        write_long(&folder, "many.npy", &npy_header(&format!("({count}, 1, 5, 6)")), count * size);
        let idx = [&[0, 0, 8, 3][..], &(count as u32).to_be_bytes(), &[0, 0, 0, 5, 0, 0, 0, 6]].concat();
        write_long(&folder, "many.idx", &idx, count * size);
        for line in [
            "score FILE -m model.prnn --nats out",
            "complete FILE -m model.prnn -o out",
            "compress FILE -m model.prnn -o out",
            "convert model.safetensors --calibrate FILE -o out",
            "verify model.safetensors model.prnn FILE",
        ] {
            refused(&folder, &line.replace("FILE", "many.npy"), what);
            refused(&folder, &line.replace("FILE", "many.idx"), "memory");
        }
    }
}

/// Small files that declare large sizes.
#[test]
fn what_unpacks_to_more_than_memory_is_refused() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    // A picture of 4 x 134217731 pixels would take half a gibibyte; one of 4096 x 4096 fits in memory. Both lack pixel
    // data.
    for (sides, expected) in [
        (b"\x00\x00\x00\x04\x08\x00\x00\x03", "134217731 rows and 4 columns, expected at most 4096 of each"),
        (b"\x00\x00\x10\x00\x00\x00\x10\x00", "large.png: PNG file: "),
    ] {
        let mut chunk = [&b"IHDR"[..], sides, b"\x08\x02\x00\x00\x00"].concat();
        chunk.extend(crc32(chunk.iter().copied()).to_be_bytes());
        let data = b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e";
        folder.write("large.png", &[b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", &chunk[..], data].concat());
        refused(&folder, "score large.png -m model.prnn --nats out", expected);
    }
    // 400 gzip members of a mebibyte of zeros each.
    let packed = std::process::Command::new("/bin/sh")
        .args(["-c", "head -c 1048576 /dev/zero | gzip -c"])
        .output()
        .expect("gzip is everywhere");
    folder.write("bomb.gz", &packed.stdout.repeat(400));
    let expected = "bomb.gz: there is not enough memory for the unpacked file";
    refused(&folder, "score bomb.gz -m model.prnn --nats out", expected);
    refused(&folder, "compress bomb.gz -m model.prnn -o out", expected);
}

/// A blob with a state of 512 MiB.
#[test]
fn a_model_whose_state_is_larger_than_memory_is_refused() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    folder.run("compress images.npy -m model.prnn -o images.prnz").good();
    let mut blob = folder.read("model.prnn");
    for field in [16, 20] {
        let bytes = u32::from_le_bytes(*blob[field..].first_chunk().unwrap()) + 512 * MIB as u32;
        blob[field..field + 4].copy_from_slice(&bytes.to_le_bytes());
    }
    let checksum = blob_checksum(&blob);
    blob[12..16].copy_from_slice(&checksum.to_le_bytes());
    folder.write("model.prnn", &blob);
    for line in [
        "sample -m model.prnn -n 2 -o out",
        "score images.npy -m model.prnn --nats out",
        "score images.npy -m model.prnn --logits out",
        "complete images.npy -m model.prnn -o out",
        "compress images.npy -m model.prnn -o out",
        "decompress images.prnz -m model.prnn -o out",
        "verify model.safetensors model.prnn images.npy",
    ] {
        refused(&folder, line, "there is not enough memory for the state of an engine");
    }
    run_in_little_memory(&folder, "inspect model.prnn").good();
}

/// Weights that fit in memory as stored, but not converted to floats.
#[test]
fn a_trained_model_larger_than_memory_is_refused() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    let (out, kernel) = (640, 127);
    let numbers = out * kernel * kernel;
    let description = format!(
        r#"{{\"image\":{{\"height\":28,\"width\":28,\"channels\":1,\"levels\":2}},\"output\":\"bernoulli\",\"ops\":[
        {{\"op\":\"masked_conv\",\"name\":\"a\",\"mask\":\"A\",\"kernel\":[{kernel},{kernel}],\"out\":{out}}},
        {{\"op\":\"masked_conv\",\"name\":\"b\",\"mask\":\"B\",\"kernel\":[1,1],\"out\":1}}]}}"#
    );
    let header = format!(
        r#"{{"__metadata__":{{"pixelrnn":"{}"}},"a.weight":{{"dtype":"F16","shape":[{out},1,{kernel},{kernel}],"data_offsets":[0,{}]}},
        "b.weight":{{"dtype":"F16","shape":[1,{out},1,1],"data_offsets":[{},{}]}}}}"#,
        description.replace('\n', " "),
        2 * numbers,
        2 * numbers,
        2 * (numbers + out),
    );
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let start = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    write_long(&folder, "large.safetensors", &start, 2 * (numbers + out));
    for line in [
        "score images.npy -m large.safetensors --nats out",
        "convert large.safetensors --calibrate images.npy -o out",
        "convert large.safetensors --weights f16 --calibrate images.npy -o out",
        "verify large.safetensors model.prnn images.npy",
        "inspect large.safetensors",
    ] {
        refused(&folder, line, "large.safetensors: there is not enough memory for the weights");
    }
}

/// A half-megabyte model that once needed 133 GB for the pairwise input statistics of sums over 129040 inputs.
#[test]
fn a_sum_of_very_many_inputs_is_converted() {
    let description = Description::from_json(
        r#"{"image":{"height":4,"width":4,"channels":1,"levels":2},"output":"bernoulli","ops":[
            {"op":"masked_conv","name":"a","mask":"A","kernel":[3,3],"out":16},
            {"op":"masked_conv","name":"b","mask":"B","kernel":[127,127],"out":1}]}"#,
    )
    .unwrap();
    let mut random = Random::new(1);
    let mut tensor = |shape: [usize; 4], size: f32| {
        let data = (0..shape.iter().product()).map(|_| random.unit() * size).collect();
        Tensor { shape: shape.into(), data }
    };
    let tensors = [("a.weight", tensor([16, 1, 3, 3], 0.3)), ("b.weight", tensor([1, 16, 127, 127], 0.006))];
    let tensors = tensors.map(|(name, tensor)| (name.to_string(), tensor)).into();
    let folder = Folder::new();
    TrainedModel::new(description, tensors).unwrap().write(&folder.path("long.safetensors")).unwrap();
    run_in_little_memory(&folder, "convert long.safetensors -o long.prnn").good();
    run_in_little_memory(&folder, "sample -m long.prnn -n 2 -o out").good();
}
