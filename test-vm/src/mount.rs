//! The guest's table of mounts.

/// One mount (`/proc/self/mountinfo`, proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The folder that it is mounted on.
    pub on: String,
    /// The file system type.
    pub kind: String,
    /// What is mounted: a device or a name.
    pub source: String,
    /// The options of the mount and of the file system.
    pub options: String,
}

impl Mount {
    /// Reads one line of the table; `None` if the line is no mount.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let (mut mount, mut system) =
            (mount.split(' ').skip(4).map(str::to_owned), system.split(' ').map(str::to_owned));
        let (on, options) = (mount.next()?, mount.next()?);
        let (kind, source) = (system.next()?, system.next()?);
        Some(Self { on, kind, source, options: format!("{options},{}", system.next()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_proc_5_is_read() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let [on, kind, source] = ["/mnt2", "ext3", "/dev/root"].map(str::to_owned);
        let options = "rw,noatime,rw,errors=continue".into();
        assert_eq!(Mount::parse(line), Some(Mount { on, kind, source, options }));
    }
}
