use super::*;

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

fn part(of: &[&str]) -> Vec<u8> {
    let mut file = Vec::new();
    assert_eq!(add(&names(of), &mut file), None);
    file
}

#[test]
fn names_come_back_in_their_order() {
    let some = ["b.png", "10.PNG", "Größe 2.png"];
    assert_eq!(read(&part(&some), 3).unwrap(), Some(names(&some)));
    assert_eq!((part(&[]), read(&[], 3).unwrap()), (Vec::new(), None));
}

#[test]
fn a_file_of_one_image_has_no_names() {
    let mut file = Vec::new();
    assert!(add(&names(&["a.png"]), &mut file).unwrap().contains("devices"));
    assert!(file.is_empty());
    assert!(matches!(read(&part(&["a.png", "b.png"]), 1).unwrap_err(), Error::Compressed(ContainerError::Trailing)));
}

#[test]
fn names_that_lead_elsewhere_or_collide_are_neither_kept_nor_read() {
    for bad in [
        "../a.png",
        "/a.png",
        "a/b.png",
        "c:a.png",
        "a\\b.png",
        ".a.png",
        "a.txt",
        "",
        ".png",
        "a\n.png",
        "B.PNG",
        "\u{fffd}.png",
    ] {
        let both = names(&[bad, "b.png"]);
        let mut file = Vec::new();
        assert!(add(&both, &mut file).is_some(), "{bad:?}");
        assert!(file.is_empty());
        // Written by an untrusted program.
        let text = format!("{bad}\0b.png\0");
        let mut part = [&MAGIC[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        part.extend(CRC32.checksum(&part).to_le_bytes());
        assert!(matches!(read(&part, 2).unwrap_err(), Error::Format { .. }), "{bad:?}");
    }
    assert!(add(&names(&[&format!("{}.png", "a".repeat(252)), "b.png"]), &mut Vec::new()).is_some());
}

#[test]
fn damaged_names_are_errors() {
    let whole = part(&["a.png", "b.png"]);
    for length in 1..whole.len() {
        assert!(read(&whole[..length], 2).is_err(), "{length} bytes");
    }
    for at in 0..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(read(&bytes, 2).is_err(), "bit {at}");
    }
    assert!(read(&[&whole[..], &[0]].concat(), 2).is_err());
    assert!(read(&whole, 3).unwrap_err().to_string().contains("2 names for 3 images"));
}
