//! Texts in fields of a fixed size, and the lists that are written into them.

use super::Dialect;
use crate::Vid;
use std::fmt;

/// A text of at most `N - 1` bytes, for a field of `N` with its final NUL. Neither control
/// characters nor NUL are in it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The text, cut to what fits between two characters; control characters become `?`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut this = Self([0; N]);
        let mut len = 0;
        for c in text.chars() {
            let c = if c.is_control() { '?' } else { c };
            let end = len + c.len_utf8();
            if end >= N {
                break;
            }
            c.encode_utf8(&mut this.0[len..end]);
            len = end;
        }
        this
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        std::str::from_utf8(&self.0[..len]).expect("checked when it was made")
    }

    /// The whole field.
    #[must_use]
    pub const fn field(&self) -> &[u8; N] {
        &self.0
    }

    /// The same in a field of another size, cut if it must be.
    #[must_use]
    pub fn resize<const M: usize>(&self) -> Text<M> {
        Text::new(self.as_str())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why a field holds no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotText {
    /// No NUL.
    Unterminated,
    /// This byte is a control character or no UTF-8.
    Byte(u8),
}

pub(super) fn read<const N: usize>(field: &[u8; N]) -> Result<Text<N>, NotText> {
    let len = field
        .iter()
        .position(|b| *b == 0)
        .ok_or(NotText::Unterminated)?;
    let content = &field[..len];
    let text = std::str::from_utf8(content).map_err(|error| {
        let byte = content.get(error.valid_up_to()).copied();
        NotText::Byte(byte.unwrap_or_default())
    })?;
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        let mut bytes = [0; 4];
        let bytes = control.encode_utf8(&mut bytes).as_bytes();
        return Err(NotText::Byte(bytes.first().copied().unwrap_or_default()));
    }
    Ok(Text::new(text))
}

/// Size of the field that holds a list of ports.
pub const PORT_LIST: usize = 512;
/// Size of the field that holds a list of VLANs.
pub const VLAN_LIST: usize = 64;

/// Names with commas between them, as many as fit whole. The 2019 daemon ends the list of MLAG
/// ports, not that of members, with a comma (5.1, `trailing`).
#[must_use]
pub fn port_list<'a>(names: impl IntoIterator<Item = &'a str>, trailing: bool) -> Text<PORT_LIST> {
    let mut list = String::new();
    for name in names {
        let comma = usize::from(!list.is_empty() && !trailing) + usize::from(trailing);
        if list.len() + name.len() + comma >= PORT_LIST {
            break;
        }
        if !list.is_empty() && !trailing {
            list.push(',');
        }
        list.push_str(name);
        if trailing {
            list.push(',');
        }
    }
    Text::new(&list)
}

/// Room that must be left for a list of VLANs to go on (5.5).
const VLAN_ROOM: usize = 12;

/// VLANs as a port list shows them (5.5): sonic ascending, with runs abbreviated; linux-mclag the
/// most recent, here the highest, first. `vids` are ascending.
#[must_use]
pub fn vlan_list(vids: impl DoubleEndedIterator<Item = Vid>, dialect: Dialect) -> Text<VLAN_LIST> {
    use fmt::Write as _;
    let mut list = String::new();
    let mut put = |item: fmt::Arguments<'_>| {
        let room = VLAN_LIST - 1 - list.len() >= VLAN_ROOM;
        if room {
            list.write_fmt(item).expect("a String takes anything");
        }
        room
    };
    match dialect {
        Dialect::Sonic => {
            let mut vids = vids.map(Vid::get).peekable();
            while let Some(first) = vids.next() {
                let mut last = first;
                while let Some(next) = vids.next_if(|next| *next == last + 1) {
                    last = next;
                }
                let room = if first == last {
                    put(format_args!("{first} "))
                } else {
                    put(format_args!("{first} - {last} "))
                };
                if !room {
                    break;
                }
            }
        }
        Dialect::LinuxMclag => {
            for vid in vids.rev() {
                if !put(format_args!("{vid} ")) {
                    break;
                }
            }
        }
    }
    Text::new(&list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vids(raw: impl IntoIterator<Item = u16>) -> Vec<Vid> {
        raw.into_iter().filter_map(Vid::new).collect()
    }

    fn sonic(raw: impl IntoIterator<Item = u16>) -> String {
        vlan_list(vids(raw).into_iter(), Dialect::Sonic).to_string()
    }

    #[test]
    fn a_text_is_cut_between_characters_and_leaves_room_for_its_nul() {
        assert_eq!(Text::<4>::new("abcdef").as_str(), "abc");
        assert_eq!(Text::<4>::new("abä").as_str(), "ab");
        assert_eq!(Text::<4>::new("abcdef").field(), b"abc\0");
        assert_eq!(Text::<8>::new("a\0b\nc").as_str(), "a?b?c");
        assert_eq!(format!("{:-<6}|", Text::<8>::new("ab")), "ab----|");
    }

    #[test]
    fn a_field_without_nul_is_refused_and_what_follows_the_nul_is_ignored() {
        assert_eq!(read(b"abcd"), Err(NotText::Unterminated));
        assert_eq!(read(b"ab\0\xff"), Ok(Text::new("ab")));
        assert_eq!(read(b"a\xff\0\0"), Err(NotText::Byte(0xff)));
        assert_eq!(read(b"a\x1b[\0"), Err(NotText::Byte(0x1b)));
    }

    /// `spec/mclagdctl-protocol.md` 5.5
    #[test]
    fn runs_of_vlans_are_abbreviated_for_sonic() {
        assert_eq!(sonic([100, 101, 102, 200]), "100 - 102 200 ");
        assert_eq!(sonic([1, 2]), "1 - 2 ");
        assert_eq!(sonic([]), "");
        assert_eq!(sonic(1..=4094), "1 - 4094 ");
    }

    /// `spec/mclagdctl-protocol.md` 5.5
    #[test]
    fn linux_mclag_lists_single_vlans_backwards() {
        let list = vlan_list(vids([100, 200]).into_iter(), Dialect::LinuxMclag);
        assert_eq!(list.as_str(), "200 100 ");
    }

    /// `spec/mclagdctl-protocol.md` 5.5: cut when fewer than 12 of 63 characters are left.
    #[test]
    fn a_list_of_vlans_is_cut_at_a_whole_item() {
        let odd = sonic((1001..=4001).step_by(2));
        assert_eq!(
            odd,
            "1001 1003 1005 1007 1009 1011 1013 1015 1017 1019 1021 "
        );
        let widest = sonic((1..1000).flat_map(|n| [3 * n + 1000, 3 * n + 1001]));
        assert!(widest.len() <= 63 && widest.ends_with(' '), "{widest:?}");
        let all = vlan_list(vids(1..=4094).into_iter(), Dialect::LinuxMclag);
        assert!(all.as_str().starts_with("4094 4093 ") && all.as_str().ends_with(' '));
    }

    #[test]
    fn a_list_of_ports_holds_whole_names_only() {
        assert_eq!(port_list(["a", "b"], false).as_str(), "a,b");
        assert_eq!(port_list(["a", "b"], true).as_str(), "a,b,");
        assert_eq!(port_list([], true).as_str(), "");
        let names: Vec<String> = (0..100).map(|n| format!("PortChannel{n:04}")).collect();
        for trailing in [false, true] {
            let list = port_list(names.iter().map(String::as_str), trailing);
            let shown: Vec<&str> = list.as_str().split(',').filter(|n| !n.is_empty()).collect();
            assert_eq!(shown.len(), if trailing { 31 } else { 32 });
            assert!(shown.iter().all(|name| name.len() == 15));
        }
        // 32 names of 15 and 31 commas fill the field but for its NUL.
        assert_eq!(32 * 15 + 31, PORT_LIST - 1);
    }
}
