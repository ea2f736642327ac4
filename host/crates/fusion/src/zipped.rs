//! The zip that importBulkData takes.

use std::io::{Cursor, Write as _};

/// Zips files in the order given, with a fixed time: the same files give the same bytes whenever they are packed. A
/// file's name is the one that the loader's control file states, case and all.
///
/// # Errors
/// The archive cannot be written, which memory always can.
pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, options).map_err(|error| error.to_string())?;
        archive.write_all(bytes).map_err(|error| error.to_string())?;
    }
    Ok(archive.finish().map_err(|error| error.to_string())?.into_inner())
}
