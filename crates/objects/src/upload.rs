//! A file as an object, in parts.

use std::fs::File;
use std::os::unix::fs::FileExt;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::error::{ObjectError, ObjectProblem};
use crate::objects::{ObjectInfo, Objects, check_length};
use crate::scheme::ObjectScheme;

/// Bytes of a part, at least: less than this is written in one request.
const PART_BYTES_MIN: u64 = 16 << 20;

/// Parts of an object, at most: S3 has 10,000.
const PARTS_MAX: u64 = 9_000;

/// Parts that are under way at once; each is in memory.
const PARTS_UNDER_WAY: usize = 4;

impl Objects {
    /// Writes all of `file` as the object `key`, whatever is there; readers see it whole or not
    /// at all. The store checks each part against its signature, or, where it does not do that,
    /// all is read back. `progress` is told how many bytes are there, and of how many; `false`
    /// stops.
    ///
    /// # Errors
    /// When it cannot be read or written; then nothing has changed.
    pub fn upload(
        &self,
        key: &str,
        file: &File,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<ObjectInfo, ObjectError> {
        let bytes =
            file.metadata().map_err(|error| self.failed("write", key)(ObjectProblem::File(error)))?.len();
        let writing = async {
            if bytes <= PART_BYTES_MIN {
                let content = read_part(file, 0, bytes)?;
                self.store.put(&self.url().path(key), content.into()).await?;
                Ok(())
            } else {
                self.upload_parts(key, file, bytes, progress).await
            }
        };
        self.wait(writing).map_err(self.failed("write", key))?;
        let info = self.info_of(key)?.ok_or(ObjectProblem::Missing { code: None });
        let info = info.map_err(self.failed("look at", key))?;
        check_length(bytes, info.bytes).map_err(self.failed("write", key))?;
        // S3's signature covers the bytes of each request.
        if self.url().scheme() != ObjectScheme::S3 {
            self.read_back(key, file, &info)?;
        }
        progress(bytes, bytes);
        Ok(info)
    }

    async fn upload_parts(
        &self,
        key: &str,
        file: &File,
        bytes: u64,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), ObjectProblem> {
        let part_bytes = bytes.div_ceil(PARTS_MAX).max(PART_BYTES_MIN);
        let mut upload = self.store.put_multipart(&self.url().path(key)).await?;
        let done = put_parts(&mut *upload, file, bytes, part_bytes, progress).await;
        if let Err(problem) = done {
            // What cannot be cleaned up is left to the bucket's rule for uploads that were not
            // completed.
            let _ = upload.abort().await;
            return Err(problem);
        }
        upload.complete().await?;
        Ok(())
    }

    /// Compares the object with the file.
    fn read_back(&self, key: &str, file: &File, info: &ObjectInfo) -> Result<(), ObjectError> {
        let path = self.url().path(key);
        let reading = async {
            let mut at = 0;
            let mut chunks = self.store.get(&path).await?.into_stream();
            while let Some(chunk) = chunks.try_next().await? {
                let expected =
                    read_part(file, at, chunk.len() as u64).map_err(|_| ObjectProblem::ReadBack)?;
                if expected != chunk {
                    return Err(ObjectProblem::ReadBack);
                }
                at += chunk.len() as u64;
            }
            check_length(info.bytes, at)
        };
        self.wait(reading).map_err(self.failed("read back", key))
    }
}

async fn put_parts(
    upload: &mut dyn MultipartUpload,
    file: &File,
    bytes: u64,
    part_bytes: u64,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), ObjectProblem> {
    let mut under_way = FuturesUnordered::new();
    let (mut begun, mut done) = (0, 0);
    while done < bytes {
        while begun < bytes && under_way.len() < PARTS_UNDER_WAY {
            let len = part_bytes.min(bytes - begun);
            let part = upload.put_part(read_part(file, begun, len)?.into());
            under_way.push(async move { part.await.map(|()| len) });
            begun += len;
        }
        let Some(put) = under_way.next().await else { break };
        done += put?;
        if !progress(done, bytes) {
            return Err(ObjectProblem::Stopped);
        }
    }
    Ok(())
}

fn read_part(file: &File, at: u64, len: u64) -> Result<Vec<u8>, ObjectProblem> {
    let mut part = vec![0; len as usize];
    file.read_exact_at(&mut part, at).map_err(ObjectProblem::File)?;
    Ok(part)
}
