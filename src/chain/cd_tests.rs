//! Tests of `iso9660` and `el_torito` with hostile CDs. Those that xorriso makes are in tests/disk.rs.

use super::el_torito;
use super::iso9660::Iso9660;
use super::region::Region;
use super::volume::Volume;

const SECTOR: usize = 2048;
const FOLDER: usize = 20 * SECTOR;

fn put(bytes: &mut [u8], at: usize, part: impl AsRef<[u8]>) {
    bytes[at..at + part.as_ref().len()].copy_from_slice(part.as_ref());
}

/// A record of a folder, with entries of Rock Ridge.
fn record(name: &[u8], flags: u8, sector: u32, length: u32, rock_ridge: &[u8]) -> Vec<u8> {
    let mut record = vec![0; (33 + name.len()).next_multiple_of(2)];
    put(&mut record, 2, sector.to_le_bytes());
    put(&mut record, 10, length.to_le_bytes());
    (record[25], record[32]) = (flags, u8::try_from(name.len()).unwrap());
    put(&mut record, 33, name);
    record.extend(rock_ridge);
    record[0] = u8::try_from(record.len()).unwrap();
    record
}

/// A CD with the root folder in sector 20, and a catalog for an image in sector 21.
fn cd(records: &[Vec<u8>]) -> Vec<u8> {
    let mut cd = vec![0; 24 * SECTOR];
    put(&mut cd, 16 * SECTOR, b"\x01CD001");
    put(&mut cd, 16 * SECTOR + 128, [0, 8]);
    put(&mut cd, 16 * SECTOR + 156, record(&[0], 2, 20, 2048, &[]));
    put(&mut cd, 17 * SECTOR, b"\x00CD001\x01EL TORITO SPECIFICATION");
    put(&mut cd, 17 * SECTOR + 71, [19]);
    put(&mut cd, 18 * SECTOR, b"\xFFCD001");
    put(&mut cd, 19 * SECTOR, [1, 0xEF]);
    // The sum of all words is zero.
    put(&mut cd, 19 * SECTOR + 28, 0_u16.wrapping_sub(0xEF01).wrapping_sub(0xAA55).to_le_bytes());
    put(&mut cd, 19 * SECTOR + 30, [0x55, 0xAA]);
    put(&mut cd, 19 * SECTOR + 32, [0x88, 0, 0, 0, 0, 0, 1, 0, 21]);
    let mut at = FOLDER;
    for record in records {
        put(&mut cd, at, record);
        at += record.len();
    }
    cd
}

fn read(cd: &Vec<u8>, path: &str) -> Result<Option<Vec<u8>>, String> {
    let opened = Iso9660::open(Region::whole(cd, cd.len() as u64));
    opened.and_then(|files| files.read(path, 1 << 30)).map_err(|error| error.to_string())
}

/// The records of the folder itself, which says that there is Rock Ridge, and of the one above it.
fn first() -> [Vec<u8>; 2] {
    [record(&[0], 2, 20, 2048, b"SP\x07\x01\xBE\xEF\0"), record(&[1], 2, 20, 2048, &[])]
}

#[test]
fn a_file_has_all_of_its_parts_and_its_long_name() {
    let [own, above] = first();
    let files = [
        record(b"A.;1", 0, 21, 3, &[]),
        record(b"B;1", 0x80, 21, 2048, b"NM\x08\x01\0b n"),
        record(b"B;1", 0, 23, 4, &[]),
        record(
            b"C;1",
            0,
            21,
            1,
            &[b"CE\x1C\x01".as_slice(), &[22, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0], &[6, 0, 0, 0, 0, 0, 0, 0]]
                .concat(),
        ),
    ];
    let mut made = cd(&[&[own, above][..], &files].concat());
    put(&mut made, 21 * SECTOR, [7; SECTOR]);
    put(&mut made, 23 * SECTOR, [8; 4]);
    put(&mut made, 22 * SECTOR + 4, b"NM\x06\x01\0c");
    assert_eq!(read(&made, "a").unwrap(), Some(vec![7; 3]));
    assert_eq!(read(&made, "b n").unwrap(), Some([vec![7; SECTOR], vec![8; 4]].concat()));
    assert_eq!(read(&made, "c").unwrap(), Some(vec![7]));
    for none in ["b", "", "..", "a/x", "\0", &"a/".repeat(99)] {
        assert_eq!(read(&made, none).unwrap(), None, "{none}");
    }
}

#[test]
fn a_damaged_cd_is_an_error_by_name() {
    let [own, above] = first();
    let with = |file: Vec<u8>| cd(&[own.clone(), above.clone(), file]);
    let area = |sector: u8, length: u8| {
        let place = [sector, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0, 0, 0, 0];
        record(b"A;1", 0, 21, 1, &[b"CE\x1C\x01".as_slice(), &place].concat())
    };
    let table = [
        (with(record(b"A;1", 0, 99, 1, &[])), "a: byte 202752: is beyond the end"),
        (with(record(b"A;1", 0, u32::MAX, u32::MAX, &[])), "a: file: longer than"),
        (with(record(b"A;1", 0, 23, 2049, &[])), "a: byte 47104: is beyond the end"),
        (with(area(99, 1)), "a: byte 202752: is beyond the end"),
        (with(area(21, 9)), "a: Rock Ridge: has an area longer than a sector"),
        (vec![0; 24 * SECTOR], "ISO 9660: has no volume descriptor"),
        (vec![0; 9], "ISO 9660: has no volume descriptor"),
    ];
    for (made, cause) in table {
        let error = read(&made, "a").unwrap_err();
        assert!(error.starts_with(cause), "{cause}: {error}");
    }
    // An area that names itself, and a folder that has itself.
    assert_eq!(read(&with(area(20, 8)), "a").unwrap(), Some(vec![0]));
    let circle = with(record(b"D", 2, 20, 2048, &[]));
    assert_eq!(read(&circle, "d/d/d/a").unwrap(), None);
    // A root folder of 4 GiB, and records that are cut short.
    let mut long = with(record(b"A;1", 0, 21, 1, &[]));
    put(&mut long, 16 * SECTOR + 156 + 10, [0xFF; 4]);
    assert!(read(&long, "a").unwrap_err().contains("longer than"));
    let mut cut = with(record(b"A;1", 0, 21, 1, &[]));
    put(&mut cut, FOLDER + own.len() + above.len() + 32, [99]);
    assert_eq!(read(&cut, "a").unwrap(), None);
}

#[test]
fn only_a_catalog_with_its_marks_has_images() {
    let starts = |cd: &Vec<u8>| {
        let images = el_torito::images(Region::whole(cd, cd.len() as u64)).unwrap();
        images.iter().map(Region::start).collect::<Vec<_>>()
    };
    let good = cd(&[]);
    assert_eq!(starts(&good), [21 * 2048]);
    for (at, bytes) in [
        (17 * SECTOR + 1, b"X".as_slice()),
        (17 * SECTOR + 7, b"X"),
        (17 * SECTOR + 71, &[0xFF; 4]),
        (19 * SECTOR, &[2]),
        (19 * SECTOR + 5, &[1]),
        (19 * SECTOR + 30, &[0]),
        (19 * SECTOR + 32, &[0]),
        (19 * SECTOR + 40, &[0xFF; 4]),
        (19 * SECTOR + 40, &[0; 4]),
    ] {
        let mut made = good.clone();
        put(&mut made, at, bytes);
        assert_eq!(starts(&made), [0; 0], "byte {at}");
    }
}

#[test]
fn a_name_of_several_files_is_none_unless_rock_ridge_tells_them_apart() {
    let file = |name: &[u8], sector: u32, long: &[u8]| {
        let long = if long.is_empty() { Vec::new() } else { [b"NM\x06\x01\0", long].concat() };
        record(name, 0, sector, 4, &long)
    };
    let made = |files: &[Vec<u8>]| {
        let mut made = cd(&[&first()[..], files].concat());
        put(&mut made, 22 * SECTOR, b"here");
        made
    };
    let differ = made(&[file(b"A1.;1", 21, b"a"), file(b"A2.;1", 22, b"A")]);
    assert_eq!(read(&differ, "A").unwrap(), Some(b"here".to_vec()));
    let same = made(&[file(b"A1.;1", 21, b"a"), file(b"A2.;1", 22, b"a"), file(b"B.;1", 22, b"b")]);
    for name in ["a", "A"] {
        let error = read(&same, name).unwrap_err();
        assert!(error.contains(&format!("{name}: is the name of several files")), "{error}");
    }
    assert_eq!(read(&same, "b").unwrap(), Some(b"here".to_vec()));
    // Two versions of a file, without Rock Ridge.
    let mut plain = made(&[file(b"A.;1", 21, b""), file(b"A.;2", 22, b"")]);
    put(&mut plain, FOLDER + 34, [0; 7]);
    assert!(read(&plain, "a").unwrap_err().contains("is the name of several files"));
}
