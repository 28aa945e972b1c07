//! Folders: order of files, skipped entries, and labels by name.

use super::*;
use crate::images::folder::natural;
use ::png::{BitDepth, ColorType};

fn gray(value: u8) -> Vec<u8> {
    png_of(ColorType::Grayscale, BitDepth::Eight, [1, 2], &[value, value])
}

#[test]
fn folders_are_read_in_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let empty = ImageSet::read(folder.path()).unwrap_err().to_string();
    assert!(empty.ends_with("the folder holds no .png files"), "{empty}");
    for (name, value) in [("b.png", 2), ("a.PNG", 1), ("c.png", 3), (".hidden.png", 4), ("notes.txt", 5)] {
        let bytes = png_of(ColorType::Grayscale, BitDepth::Eight, [1, 2], &[value, value]);
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let set = ImageSet::read(folder.path()).unwrap();
    assert_eq!((set.count, set.data), (3, vec![1, 1, 2, 2, 3, 3]));

    fs::write(folder.path().join("d.png"), png_of(ColorType::Grayscale, BitDepth::Eight, [2, 1], &[0, 0])).unwrap();
    let message = ImageSet::read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("d.png: images of 1 rows, 2 columns"), "{message}");
    fs::write(folder.path().join("d.png"), b"not one").unwrap();
    assert!(ImageSet::read(folder.path()).unwrap_err().to_string().contains("d.png: "));
}

#[test]
fn numbers_in_names_are_ordered_by_their_size() {
    let folder = tempfile::tempdir().unwrap();
    for n in (0..12).rev() {
        fs::write(folder.path().join(format!("image-{n}.png")), gray(n)).unwrap();
    }
    let loaded = Loaded::read(folder.path()).unwrap();
    assert_eq!(loaded.set.data, (0..12).flat_map(|n| [n, n]).collect::<Vec<u8>>());
    assert_eq!((loaded.names[2].as_str(), loaded.names[10].as_str()), ("image-2.png", "image-10.png"));
    assert_eq!(loaded.skipped, None);

    let ordered = [
        "",
        "1",
        "01",
        "2",
        "9a",
        "10",
        "18446744073709551616",
        "18446744073709551617",
        "a",
        "a1",
        "a1b2",
        "a1b10",
        "b",
    ];
    let mut sorted = ordered;
    sorted.reverse();
    sorted.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
    // Equal numbers are ordered bytewise.
    let mut expected = ordered;
    expected.swap(1, 2);
    assert_eq!(sorted, expected);
}

#[test]
fn entries_of_a_folder_that_are_skipped_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.jpg", "notes.txt", ".DS_Store"] {
        fs::write(folder.path().join(name), gray(1)).unwrap();
    }
    fs::create_dir(folder.path().join("more.png")).unwrap();
    let loaded = Loaded::read(folder.path()).unwrap();
    assert_eq!((loaded.set.count, loaded.names), (1, vec!["a.png".to_string()]));
    let skipped = loaded.skipped.unwrap();
    assert_eq!(skipped, Skipped { files: 2, folders: 1, hidden: 1 });
    let said = "skipped 2 other files, 1 folder, 1 hidden entry: only PNG files directly in the folder are read";
    assert_eq!(skipped.to_string(), said);
    assert!(Skipped { hidden: 2, ..Skipped::default() }.to_string().starts_with("skipped 2 hidden entries:"));
}

#[test]
fn gray_files_and_gray_colour_files_are_one_set() {
    let folder = tempfile::tempdir().unwrap();
    let colours = |data: &[u8]| png_of(ColorType::Rgb, BitDepth::Eight, [1, 2], data);
    for (name, bytes) in [("a.png", colours(&[7, 7, 7, 8, 8, 8])), ("b.png", gray(9)), ("c.png", colours(&[5; 6]))] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let set = ImageSet::read(folder.path()).unwrap();
    assert_eq!((set.count, set.channels, set.data), (3, 1, vec![7, 8, 9, 9, 5, 5]));
    fs::write(folder.path().join("d.png"), colours(&[5, 5, 5, 5, 5, 6])).unwrap();
    let message = ImageSet::read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("d.png: images of 2 rows, 1 columns and 3 channels"), "{message}");
}

#[test]
fn labels_by_name_go_to_the_images_of_these_names() {
    let names = ["1.png", "2.png", "10.png"].map(String::from);
    let order = |text: &str| Labels::from_bytes(text.as_bytes())?.in_order_of(&names);
    assert_eq!(order("name,label\n10.png,3\n1.png,1\n2.png,2\n").unwrap(), [1, 2, 3]);
    assert_eq!(order("\u{feff}10, 3\r\n\"1\",1\r\n\r\n2 ,2").unwrap(), [1, 2, 3]);
    for (text, part) in [
        ("1.png,1\n2.png,2\n", "no label for `10.png`"),
        ("1.png,1\n2.png,2\n10.png,3\n11.png,4\n", "no image `11.png` in the folder"),
        ("1.png,1\n2.png,2\n10.png,3\n1.png,2\n", "line 4: a second label for `1.png`"),
        ("1.png,1\n2.png,2\n10.png,seven\n", "line 3: \"10.png,seven\", expected `name,label`"),
        ("1.png,65536\n", "line 1"),
        ("1.png,1\n2.png\n", "line 2"),
        ("Dear reader\n", "nor lines `name,label`"),
        ("name,label\n", "nor lines `name,label`"),
    ] {
        let message = order(text).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    let message = labels_from_bytes(b"1.png,1\n").unwrap_err().to_string();
    assert!(message.contains("use a folder of PNG files"), "{message}");
}
