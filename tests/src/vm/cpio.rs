//! A cpio archive in the "newc" layout, as the kernel unpacks it into its first root.
//!
//! Only directories and regular files: device nodes come from the kernel itself.

/// An archive under construction.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;

impl Archive {
    /// Add a directory. Its parents must have been added before.
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[]);
    }

    /// Add an executable file.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, EXECUTABLE, content);
    }

    /// The finished archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let size =
            u32::try_from(content.len()).expect("a file of the initramfs is smaller than 4 GiB");
        let name_size = u32::try_from(path.len() + 1).expect("a path is short");
        self.inode += 1;
        let links = 1;
        // inode, mode, owner, group, links, time, size, device (two numbers), special device (two), name, checksum
        let fields = [
            self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_110_bytes_and_content_is_aligned() {
        let mut archive = Archive::default();
        archive.file("init", b"#!x");
        let bytes = archive.finish();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[14..22], b"000081ed"); // mode
        assert_eq!(&bytes[54..62], b"00000003"); // size
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..119], b"#!x");
        assert_eq!(&bytes[120..126], b"070701");
    }
}
