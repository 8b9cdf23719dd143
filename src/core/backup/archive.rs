//! The file of a backup: an ordinary tar with the database first, then perhaps the configuration, then the manifest and
//! a list of hashes that `sha256sum -c SHA256SUMS` reads. It is written under another name and appears when it is whole.

use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{FileEntry, Manifest, Progress, manifest::FORMAT};
use crate::core::{
    actor::{Actor, Permission},
    error::{Error, Result},
    private_file,
};

const MANIFEST: &str = "manifest.json";
const HASHES: &str = "SHA256SUMS";
/// A tar comes in blocks of this many bytes.
const BLOCK: usize = 512;
/// What is read and written at once.
pub(super) const CHUNK: usize = 256 * 1024;
/// A manifest and a list of hashes are small.
const SMALL_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Files of a backup: the database, two of the configuration, the manifest, the hashes.
const ENTRIES_MAX: usize = 16;
/// What else an archive may hold: the configuration and what is laid over it.
pub(super) const CONFIG_NAMES: [&str; 2] = ["config.toml", "config.local.toml"];

/// An archive in the making. Dropped before its end, it leaves nothing.
pub(super) struct Writer {
    file: File,
    part: PathBuf,
    target: PathBuf,
    force: bool,
    /// Seconds since 1970.
    at: u64,
    files: Vec<FileEntry>,
    is_done: bool,
}

/// One file in the making.
pub(super) struct Entry<'w> {
    writer: &'w mut Writer,
    name: String,
    start: u64,
    size: u64,
    hash: Sha256,
}

impl Writer {
    /// Begins one beside its later name. What a killed backup left behind is overwritten.
    pub(super) fn create(target: &Path, force: bool, at: u64) -> Result<Self> {
        if target.is_dir() {
            return Err(Error::invalid("backup.path", format!("{} is a directory", target.display())));
        }
        if !force && target.exists() {
            return Err(exists(target));
        }
        let part = beside(target, ".part");
        let file = private_file::open_or_create(&part).map_err(|cause| unwritable(&part, cause))?;
        file.try_lock().map_err(|_| {
            Error::unavailable("backup.running", format!("another backup is writing {}", part.display()))
        })?;
        let writer = Self { file, part, target: target.to_owned(), force, at, files: Vec::new(), is_done: false };
        writer.file.set_len(0).map_err(|cause| unwritable(&writer.part, cause))?;
        Ok(writer)
    }

    /// A file for work in between, beside the archive; empty and private.
    pub(super) fn scratch(&self) -> Result<Scratch> {
        Scratch::create(beside(&self.target, ".part.db"))
    }

    /// Begins a file.
    pub(super) fn entry(&mut self, name: &str) -> Result<Entry<'_>> {
        let start = self.file.stream_position().map_err(|cause| unwritable(&self.part, cause))?;
        // Its header is written when its size is known.
        self.file.write_all(&[0; BLOCK]).map_err(|cause| unwritable(&self.part, cause))?;
        Ok(Entry { writer: self, name: name.to_owned(), start, size: 0, hash: Sha256::new() })
    }

    /// Takes a whole file in.
    pub(super) fn add_file(&mut self, name: &str, source: &mut dyn Read) -> Result<()> {
        let mut entry = self.entry(name)?;
        entry.copy_from(source)?;
        entry.finish()
    }

    /// What was taken in.
    pub(super) fn files(&self) -> Vec<FileEntry> {
        self.files.clone()
    }

    /// Adds the manifest and the hashes, brings everything to the disk and gives the archive its name.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<u64> {
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|cause| Error::internal("backup.manifest", "can't write the manifest").caused_by(cause))?;
        self.add_file(MANIFEST, &mut text.as_bytes())?;
        let hashes = hash_lines(&self.files);
        self.add_file(HASHES, &mut hashes.as_bytes())?;
        let done = (|| {
            self.file.write_all(&[0; 2 * BLOCK])?;
            self.file.sync_all()?;
            self.file.metadata().map(|metadata| metadata.len())
        })();
        let size = done.map_err(|cause| unwritable(&self.part, cause))?;
        self.publish()?;
        self.is_done = true;
        Ok(size)
    }

    fn publish(&self) -> Result<()> {
        let named = if self.force {
            fs::rename(&self.part, &self.target)
        } else {
            // A link, unlike a renaming, never replaces what came there meanwhile. Not every file system has links.
            match fs::hard_link(&self.part, &self.target) {
                Ok(()) => fs::remove_file(&self.part),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&self.target)),
                Err(_) => fs::rename(&self.part, &self.target),
            }
        };
        named.and_then(|()| sync_directory(&self.target)).map_err(|cause| unwritable(&self.target, cause))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.part);
        }
    }
}

impl Entry<'_> {
    /// The next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.writer.file.write_all(bytes).map_err(|cause| unwritable(&self.writer.part, cause))
    }

    /// Everything that a source gives.
    pub(super) fn copy_from(&mut self, source: &mut dyn Read) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = source.read(&mut buffer).map_err(|cause| {
                Error::unavailable("backup.read", "can't read what is to be saved").caused_by(cause)
            })?;
            match buffer.get(..count) {
                None | Some([]) => return Ok(()),
                Some(bytes) => self.write(bytes)?,
            }
        }
    }

    /// How many bytes there are so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Ends it: its header tells the size.
    pub(super) fn finish(self) -> Result<()> {
        let Self { writer, name, start, size, hash } = self;
        let written = (|| {
            let mut header = tar::Header::new_gnu();
            header.set_path(&name)?;
            header.set_size(size);
            header.set_mode(0o600);
            header.set_mtime(writer.at);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            io::copy(&mut io::repeat(0).take(padding), &mut writer.file)?;
            writer.file.seek(SeekFrom::Start(start))?;
            writer.file.write_all(header.as_bytes())?;
            writer.file.seek(SeekFrom::End(0)).map(drop)
        })();
        written.map_err(|cause: io::Error| unwritable(&writer.part, cause))?;
        writer.files.push(FileEntry { name, size, sha256: hex::encode(hash.finalize()) });
        Ok(())
    }
}

/// A private file that is gone when this is dropped, unless it was kept.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    pub(super) file: File,
    is_kept: bool,
}

impl Scratch {
    /// Empty, whatever was there before.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&path, suffix));
        }
        let file = private_file::open_or_create(&path).map_err(|cause| unwritable(&path, cause))?;
        Ok(Self { path, file, is_kept: false })
    }

    /// It got another name and stays; what came beside it goes.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
        for suffix in ["-wal", "-shm", "-journal", ".migrate.lock"] {
            let _ = fs::remove_file(beside(&self.path, suffix));
        }
    }
}

/// Checks a backup without restoring it: that it is whole, that each byte is the one that was written, and that this
/// program knows its schema.
///
/// # Errors
/// `backup.damaged` naming what is wrong, `backup.format` for another program's file, `backup.newer` for a newer schema.
pub fn verify(actor: &Actor, path: &Path, progress: Progress<'_>) -> Result<Manifest> {
    actor.require(Permission::Admin)?;
    progress("checking the backup");
    let mut found: Vec<FileEntry> = Vec::new();
    let (mut manifest, mut hashes) = (None, None);
    each(path, |name, entry| {
        if found.len() >= ENTRIES_MAX || found.iter().any(|file| file.name == name) {
            return Err(damaged(path, &format!("`{name}` should not be there")));
        }
        let mut kept = Vec::new();
        let is_small = name == MANIFEST || name == HASHES;
        let (size, hash) = read_through(path, entry, |bytes| {
            if is_small && kept.len() as u64 + bytes.len() as u64 > SMALL_MAX_BYTES {
                return Err(damaged(path, &format!("`{name}` is too large")));
            }
            if is_small {
                kept.extend_from_slice(bytes);
            }
            Ok(())
        })?;
        match name {
            MANIFEST => manifest = Some(kept),
            HASHES => hashes = Some(kept),
            _ => {}
        }
        if name != HASHES {
            found.push(FileEntry { name: name.to_owned(), size, sha256: hash });
        }
        Ok(true)
    })?;
    let (Some(manifest), Some(hashes)) = (manifest, hashes) else {
        return Err(damaged(path, "its end is missing"));
    };
    if hash_lines(&found).as_bytes() != hashes {
        return Err(damaged(path, "its content does not fit its hashes"));
    }
    let manifest = read_manifest(path, &manifest)?;
    found.retain(|file| file.name != MANIFEST);
    let is_known =
        |file: &FileEntry| file.name == manifest.database.file_name() || CONFIG_NAMES.contains(&file.name.as_str());
    if manifest.files != found || !found.iter().all(is_known) || manifest.tables.is_empty() {
        return Err(damaged(path, "its manifest tells of other files"));
    }
    manifest.require_known_schema()?;
    Ok(manifest)
}

/// As `sha256sum` writes them.
fn hash_lines(files: &[FileEntry]) -> String {
    files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect::<Vec<_>>().concat()
}

fn read_manifest(path: &Path, text: &[u8]) -> Result<Manifest> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let malformed = |cause| damaged(path, "its manifest can't be read").caused_by(cause);
    let Format { format } = serde_json::from_slice(text).map_err(malformed)?;
    if format != FORMAT {
        return Err(Error::unavailable(
            "backup.format",
            format!("{} has the format {format}, expected {FORMAT}", path.display()),
        )
        .hint("use the rustbill that made it, or a later one"));
    }
    serde_json::from_slice(text).map_err(malformed)
}

/// Gives the content of one file, whose hash is checked once more on the way.
pub(super) fn extract(path: &Path, wanted: &FileEntry, mut to: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut is_found = false;
    each(path, |name, entry| {
        if name != wanted.name {
            return Ok(true);
        }
        let (size, hash) = read_through(path, entry, &mut to)?;
        if (size, &hash) != (wanted.size, &wanted.sha256) {
            return Err(damaged(path, "it changed while it was read"));
        }
        is_found = true;
        Ok(false)
    })?;
    if is_found { Ok(()) } else { Err(damaged(path, &format!("`{}` is missing", wanted.name))) }
}

/// Calls `with` for each file, until it says that it has enough.
fn each(path: &Path, mut with: impl FnMut(&str, &mut dyn Read) -> Result<bool>) -> Result<()> {
    let file = File::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Error::none_such("backup.missing", format!("there is no {}", path.display())),
        _ => Error::invalid("backup.read", format!("can't read {}", path.display())).caused_by(cause),
    })?;
    let broken = |cause: io::Error| damaged(path, "it is cut off or no archive").caused_by(cause);
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(CHUNK, file));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(damaged(path, "it holds something else than files"));
        }
        if !with(&name, &mut entry)? {
            break;
        }
    }
    Ok(())
}

fn read_through(path: &Path, entry: &mut dyn Read, mut with: impl FnMut(&[u8]) -> Result<()>) -> Result<(u64, String)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let count = entry.read(&mut buffer).map_err(|cause| damaged(path, "it is cut off").caused_by(cause))?;
        match buffer.get(..count) {
            None | Some([]) => return Ok((size, hex::encode(hash.finalize()))),
            Some(bytes) => {
                hash.update(bytes);
                size += count as u64;
                with(bytes)?;
            }
        }
    }
}

pub(super) fn damaged(path: &Path, how: &str) -> Error {
    Error::invalid("backup.damaged", format!("{} is no whole backup: {how}", path.display())).hint("use another backup")
}

fn exists(path: &Path) -> Error {
    Error::already_exists("backup.exists", format!("{} exists", path.display()))
        .hint("choose another name, or add `--force`")
}

pub(super) fn unwritable(path: &Path, cause: io::Error) -> Error {
    Error::unavailable("backup.write", format!("can't write {}: {cause}", path.display())).caused_by(cause)
}

/// A path with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a new name in a directory last.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
