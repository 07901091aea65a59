//! Example files: accepted rows, refused rows and warnings.

use proptest::prelude::*;

use super::check::APPS_MAX;
use super::*;

/// Header of the CSV files without ports.
const HEADER: &str = "msg_id,app_protocol,src_app,dst_app,message,timestamp\n";
/// Header of the CSV files with ports.
const PORT_HEADER: &str = "msg_id,app_protocol,src_app,dst_app,src_port,dst_port,message,timestamp\n";

/// Reads a file. Returns its rows, and its faults as `line:character severity: message`.
fn read_with(csv: impl AsRef<[u8]>, options: RowOptions) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut reader = RowReader::new(csv.as_ref(), options);
    loop {
        let refused = match reader.next() {
            None => break,
            Some(Ok(row)) => {
                rows.push(row);
                Vec::new()
            }
            Some(Err(RowError::Refused(faults))) => faults,
            Some(Err(RowError::Io(error))) => panic!("reading from memory failed: {error}"),
        };
        assert!(refused.is_empty() || refused.iter().any(|fault| fault.severity() == Severity::Error));
        faults.extend(reader.take_remarks().into_iter().chain(refused));
    }
    faults.append(&mut reader.take_remarks());
    let texts = faults.iter().map(|fault| {
        let character = fault.place.character.map_or("-".to_owned(), |at| at.to_string());
        format!("{}:{character} {}: {}", fault.place.line, fault.severity(), fault.message())
    });
    (rows, texts.collect())
}

fn read(csv: impl AsRef<[u8]>) -> (Vec<Row>, Vec<String>) {
    read_with(csv, RowOptions::default())
}

/// A row as one line of text, for comparison.
fn row_text(row: &Row) -> String {
    let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(":{port}"));
    let message = String::from_utf8_lossy(&row.message).into_owned();
    let (from, to) = (port(row.source_port), port(row.destination_port));
    let Row { number, line, protocol, source, destination, time, .. } = row;
    format!("{line}: #{number} {protocol} {source}{from} > {destination}{to} {message:?} {}", time.as_nanos())
}

#[test]
fn example_files_have_no_faults() {
    macro_rules! example {
        ($name:literal) => {
            read(include_bytes!(concat!("../../../../tests/data/csv/", $name)))
        };
    }
    let cases = [
        (
            example!("http_input.csv"),
            5,
            r#"4: #3 HTTP client_browser > web_server "POST /login" 532000000"#,
            r#"6: #5 HTTP client_browser > web_server "GET /cart" 1053000000"#,
        ),
        (
            example!("http_input_bom.csv"),
            5,
            r#"4: #3 HTTP client_browser > web_server "GET /style.css HTTP/1.1" 300000000"#,
            r#"6: #5 HTTP client_browser > web_server "POST /login HTTP/1.1" 500000000"#,
        ),
        (
            example!("http_input_ports.csv"),
            6,
            r#"4: #3 HTTP client_browser:12346 > web_server:80 "GET /images/logo.png HTTP/1.1" 500000000"#,
            r#"7: #6 HTTP web_server:80 > client_browser:12347 "HTTP/1.1 302 Found" 1100000000"#,
        ),
        (
            example!("group07_chat_input.csv"),
            8,
            r#"4: #3 CHAT Noy > Server "CONNECT ELIAS" 30000000"#,
            r#"9: #8 CHAT Noy > Elias "How are you?" 80000000"#,
        ),
    ];
    for ((rows, faults), n_rows, third_row, last_row) in cases {
        assert_eq!(faults, [] as [String; 0], "in the file whose last row is {last_row}");
        let found = (rows.len(), &*row_text(&rows[2]), &*row_text(&rows[n_rows - 1]));
        assert_eq!(found, (n_rows, third_row, last_row));
    }
}

#[test]
fn file_layouts_are_equivalent() {
    let one_row = [r#"2: #7 CHAT Noy > Elias "hi" 10000000"#];
    let cases: Vec<(&str, &[&str])> = vec![
        ("msg_id,app_protocol,src_app,dst_app,message,timestamp\n7,CHAT,Noy,Elias,hi,0.010", &one_row),
        (
            "\u{feff}msg_id,app_protocol,src_app,dst_app,message,timestamp\r\n7,CHAT,Noy,Elias,hi,0.010\r\n\r\n\r\n",
            &one_row,
        ),
        ("timestamp,message,dst_app,src_app,app_protocol,msg_id\n0.010,hi,Elias,Noy,CHAT,7\n,,,,,\n \n", &one_row),
        ("Id;Protocol;Source;Destination;Payload;Time\n7;chat;Noy;Elias;hi;0.010\n", &one_row),
        (" MSG_ID \tproto\tsrc\tdst\tmsg\t TimeStamp\n7\tCHAT\t Noy \tElias\thi\t 0.010 \n", &one_row),
        (
            "\"msg id\",\"app-protocol\",\"from\",\"to\",\"data\",\"time\"\n\
             \"7\",\"CHAT\",\"Noy\",\"Elias\",\"hi\",\"0.010\"",
            &one_row,
        ),
        (
            "\n\nprotocol,src,dst,message,time\nCHAT,Noy,Elias,hi,0\n\nCHAT,Noy,Elias, hi ,0\n",
            &[r#"4: #1 CHAT Noy > Elias "hi" 0"#, r#"6: #2 CHAT Noy > Elias " hi " 0"#],
        ),
        (
            "id,protocol,src,dst,message,time\na1,Gopher,10.0.0.1,10.0.0.2,\"two\r\n\
             lines, and \"\"quotes\"\"\",31/01/2026 12:00\n,DNS,::1,0::2,\"\n\",1\n",
            &[
                r#"2: #a1 Gopher 10.0.0.1 > 10.0.0.2 "two\r\nlines, and \"quotes\"" 1769860800000000000"#,
                r#"4: #2 DNS ::1 > ::2 "\n" 1000000000"#,
            ],
        ),
        (
            "id,protocol,src,dst,sport,dport,message,time\n007,HTTP,a,b,,80,x,0\n8,HTTP,a,b,65535,1,\\r\\n,0\n",
            &[r#"2: #007 HTTP a > b:80 "x" 0"#, r#"3: #8 HTTP a:65535 > b:1 "\\r\\n" 0"#],
        ),
    ];
    for (given, expected) in cases {
        let (rows, faults) = read(given);
        let errors: Vec<_> = faults.iter().filter(|fault| fault.contains(" error: ")).collect();
        assert_eq!(errors, [] as [&String; 0], "given {given:?}");
        assert_eq!(rows.iter().map(row_text).collect::<Vec<_>>(), expected, "given {given:?}");
    }
}

#[test]
fn escapes_are_decoded_only_on_request() {
    let csv = format!("{HEADER}1,HTTP,a,b,GET / HTTP/1.1\\r\\n\\r\\n\\xff,0\n2,HTTP,a,b,C:\\dir,0\n");
    let (rows, faults) = read(&csv);
    assert_eq!((rows.len(), faults.len()), (2, 0));
    assert_eq!(rows[0].message, br"GET / HTTP/1.1\r\n\r\n\xff");
    let (rows, faults) = read_with(&csv, RowOptions { escapes: true });
    assert_eq!(rows[0].message, b"GET / HTTP/1.1\r\n\r\n\xff");
    assert_eq!(
        faults,
        [r#"3:12 error: message: '\d' is not an escape: write \r \n \t \0 \" \xHH, and a backslash itself as \\"#]
    );
}

#[test]
fn files_without_rows_report_why() {
    let cases: Vec<(&[u8], &[&str])> = vec![
        (
            b"",
            &["1:- error: the file is empty: write a header (msg_id,app_protocol,src_app,dst_app,message,timestamp) \
                 and rows"],
        ),
        (
            b"\xef\xbb\xbf\r\n \n",
            &["1:- error: the file is empty: write a header (msg_id,app_protocol,src_app,dst_app,message,timestamp) \
                 and rows"],
        ),
        (b"\xff\xfem\0s\0g\0", &["1:- error: the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"]),
        (b"\xfe\xff\0m\0s\0g", &["1:- error: the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"]),
        (b"m\0s\0g\0", &["1:- error: the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"]),
        (b"\0m\0s\0g", &["1:- error: the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"]),
        (
            b"sep=;\nmsg_id;message\n",
            &["1:1 error: the line 'sep=…' is for spreadsheets only: delete it, the delimiter is detected"],
        ),
        (b"protocol,src,dst,message,time\n\n", &["3:- warning: there are no rows after the header: add some"]),
        (
            b"protocol,src,dst,message,time\rCHAT,a,b,x,0\r",
            &["1:- error: lines end in a bare carriage return: save the file with line ends of LF or CRLF"],
        ),
        (b"msg_id,caf\xe9\n", &["1:11 error: byte 0xe9 is not UTF-8: save the file as UTF-8"]),
        (
            b"1,CHAT,Noy,Elias,\x1bhi,0.1\n2,CHAT,Noy,Elias,hi,0.1\n",
            &["1:1 error: '1,CHAT,Noy,Elias,\\u{1b}hi,0.1' is not a header: start with \
                 msg_id,app_protocol,src_app,dst_app,message,timestamp"],
        ),
        (
            b"msg_id,app_protocol,src_app,SRC,message,note\n1,2,3,4,5,6\n",
            &[
                "1:29 error: src_app: this column appears twice: remove one of the two",
                "1:41 warning: column 'note' is ignored: remove it, or give it a known name",
                "1:- error: there is no column dst_app: add it (it may be called dst_app, dst, destination, \
                 destination_app, dst_ip, receiver, to)",
                "1:- error: there is no column timestamp: add it (it may be called timestamp, time)",
            ],
        ),
        (
            b"\"msg_id,app_protocol\n",
            &["1:1 error: this quote is never closed: close it, and write a quote inside quotes twice (\"\")"],
        ),
    ];
    for (given, expected) in cases {
        let (rows, faults) = read(given);
        assert_eq!((rows, &*faults), (vec![], expected.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice()));
    }
}

#[test]
fn refused_rows_report_why_and_reading_continues() {
    let cases: Vec<(&str, &[&str])> = vec![
        (
            "1,CHAT,Noy,Elias,hi,12:60",
            &["2:21 error: timestamp: '12:60' is not a time: write seconds (0.125), 2026-01-31T12:00:00Z or \
                 31/01/2026 12:00"],
        ),
        (
            "1,CHAT,Noy,Elias,hi,-0.5",
            &["2:21 error: timestamp: '-0.5' is before zero: count seconds from the first message, or write a time \
                 after 1970"],
        ),
        (
            "1,CHAT,Noy,Elias,hi,1e-3",
            &["2:21 error: timestamp: '1e-3' has an exponent: write the seconds out, as in 0.001"],
        ),
        (
            "1,,,,,",
            &[
                "2:3 error: app_protocol: is empty: fill it in",
                "2:4 error: src_app: is empty: fill it in",
                "2:5 error: dst_app: is empty: fill it in",
                "2:7 error: timestamp: is empty: fill it in",
            ],
        ),
        (
            "1,CHAT,Noy,Elias,\"a\nb\",x",
            &["3:4 error: timestamp: 'x' is not a time: write seconds (0.125), 2026-01-31T12:00:00Z or 31/01/2026 \
                 12:00"],
        ),
        (
            "1,CHAT,Noy,Elias,Hi, Elias,0.1",
            &["2:28 error: 7 fields where the header has 6: quote a message that contains the delimiter"],
        ),
        ("1,CHAT,Noy", &["2:1 error: 3 fields where the header has 6: write every field, even an empty one"]),
        (
            "1,CHAT,Noy,Elias,hi,0,, there,0",
            &["2:23 error: 9 fields where the header has 6: quote a message that contains the delimiter"],
        ),
        (
            "1,CHAT,Noy,Elias,hi,2026-01-31T12:00:00[Europe/Berlin]",
            &["2:21 error: timestamp: '2026-01-31T12:00:00[Europe/Berlin]' has a zone name without an offset, and \
                 the offset depends on the date: write the offset, as in +01:00"],
        ),
        (
            "1,CHAT,Noy,Elias,hi,1700000000123",
            &["2:21 error: timestamp: '1700000000123' looks like milliseconds since 1970: write seconds, as in \
                 1700000000.123"],
        ),
        (
            "1,CHAT,Noy,Noy,hi,0",
            &["2:12 error: dst_app: 'Noy' sends to itself, which needs no packet: name another app"],
        ),
        (
            "1,CHAT,::1,0::1,hi,0",
            &["2:12 error: dst_app: '::1' sends to itself, which needs no packet: name another app"],
        ),
        (
            "1,CHAT,10.0.0.1:80,10.0.0.300,hi,0",
            &[
                "2:8 error: src_app: '10.0.0.1:80' holds a port: write it in src_port or dst_port, and the host alone \
                 here",
                "2:20 error: dst_app: '10.0.0.300' is not an address: write IPv4 as 192.0.2.1, IPv6 as 2001:db8::1, or \
                 a name",
            ],
        ),
        (
            "1,CHAT,224.0.0.1,10.0.0.1,hi,0",
            &["2:8 error: src_app: '224.0.0.1' is a multicast or broadcast address: a sender needs a unicast address"],
        ),
        (
            "1,CHAT,10.0.0.1,2001:db8::1,hi,0",
            &["2:17 error: dst_app: '10.0.0.1' is on IPv4 and '2001:db8::1' on IPv6: a packet has one version; \
                 use the same for both"],
        ),
        (
            "1,CHAT,\u{1b}[2J:80,\u{202e}a,hi,x",
            &[
                "2:8 error: src_app: '\\u{1b}[2J:80' holds a port: write it in src_port or dst_port, and the host \
                 alone here",
                "2:22 error: timestamp: 'x' is not a time: write seconds (0.125), 2026-01-31T12:00:00Z or 31/01/2026 \
                 12:00",
            ],
        ),
        (
            "1,CHAT,Noy,Elias,\"hi\" there,0",
            &["2:18 error: text follows the closing quote of this field: quote all of it, and write a quote inside \
                 quotes twice (\"\")"],
        ),
        (
            "1,AVERYVERYVERYVERYVERYLONGPROTOCOL,Noy,Elias,hi,0",
            &["2:3 error: app_protocol: is longer than 32 bytes: shorten it"],
        ),
    ];
    for (given, expected) in cases {
        let (rows, faults) = read(format!("{HEADER}{given}\nlast,CHAT,A,B,hi,0.1\n"));
        assert_eq!(faults, expected, "given {given:?}");
        assert_eq!(rows.len(), 1, "given {given:?}");
        assert_eq!(rows[0].number, MessageId::from("last"));
    }
}

#[test]
fn ports_are_from_1_to_65535() {
    for (given, expected) in [
        ("0", "port 0 is reserved: write a number from 1 to 65535, or leave it empty"),
        ("00", "port 0 is reserved: write a number from 1 to 65535, or leave it empty"),
        ("65536", "'65536' is not a port: write a number from 1 to 65535, or leave it empty"),
        ("-1", "'-1' is not a port: write a number from 1 to 65535, or leave it empty"),
        ("+80", "'+80' is not a port: write a number from 1 to 65535, or leave it empty"),
        ("http", "'http' is not a port: write a number from 1 to 65535, or leave it empty"),
    ] {
        let (rows, faults) = read(format!("{PORT_HEADER}1,HTTP,a,b,1234,{given},x,0\n"));
        assert_eq!((rows.len(), faults), (0, vec![format!("2:17 error: dst_port: {expected}")]), "given {given:?}");
    }
}

#[test]
fn faults_across_rows_are_reported() {
    let cases: Vec<(String, &[&str])> = vec![
        // A response without an earlier request is reported, but not the greeting of a mail server.
        (
            format!("{HEADER}1,HTTP,web,Noy,200 OK,0\n2,HTTP,Noy,web,GET /,1\n3,HTTP,web,Noy,200 OK,2\n"),
            &["2:16 warning: message: is a response, but 'web' got no request before: put the request first"],
        ),
        (format!("{HEADER}1,SMTP,mail,Noy,220 ready,0\n"), &[]),
        // Times.
        (
            format!("{HEADER}1,CHAT,a,b,x,5\n2,CHAT,a,b,x,1\n3,CHAT,a,b,x,2\n4,CHAT,a,b,x,2\n"),
            &["3:14 warning: timestamp: is earlier than the row before it (5.000000000 on line 2): sort the rows by \
                 time"],
        ),
        // Messages.
        (
            format!("{HEADER}1,CHAT,a,b,,0\n"),
            &["2:12 warning: message: is empty: TCP sends nothing for it, UDP an empty datagram; remove the row, or \
                 give it a message"],
        ),
        (format!("{HEADER}1,CHAT,a,b,{},0\n", "x".repeat(1024 * 1024)), &[]),
        (
            format!("{HEADER}1,CHAT,a,b,{},0\n", "x".repeat(1024 * 1024 + 1)),
            &["2:12 note: message: has 1048577 bytes: it takes thousands of segments"],
        ),
        (
            format!("{HEADER}1,CHAT,a,b, \"hi\",0\n"),
            &["2:12 warning: message: white space before the quote makes it part of the text: remove the white space"],
        ),
        // Ids.
        (
            format!("{HEADER}1,CHAT,a,b,x,0\nx,CHAT,a,b,x,0\n 1 ,CHAT,a,b,x,0\nx,CHAT,a,b,x,0\n01,CHAT,a,b,x,0\n"),
            &[
                "4:1 warning: msg_id: '1' was used before: give each row its own id",
                "5:1 warning: msg_id: 'x' was used before: give each row its own id",
            ],
        ),
        // Elias has IPv4, because his peer Noy exchanged a message with an IPv4 address.
        (
            format!(
                "{HEADER}1,CHAT,Noy,10.0.0.1,x,0\n2,CHAT,Noy,Elias,x,0\n3,CHAT,::1,Elias,x,0\n4,CHAT,::1,::2,x,0\n"
            ),
            &["4:12 error: dst_app: '::1' is on IPv6 and 'Elias' on IPv4: a packet has one version; \
                 use the same for both"],
        ),
        // Several ports of the client with one port of the server are no fault.
        (
            format!(
                "{PORT_HEADER}1,HTTP,a,b,9,80,x,0\n2,HTTP,b,a,80,9,x,0\n3,HTTP,a,b,10,80,x,0\n4,HTTP,c,a,9,80,x,0\n"
            ),
            &[],
        ),
        (
            format!("{PORT_HEADER}1,HTTP,a,b,9,80,x,0\n2,HTTP,b,a,9,80,x,0\n"),
            &["3:12 warning: src_port: ports 9 and 80 are reversed compared with line 2: swap them"],
        ),
        (
            format!("{PORT_HEADER}1,HTTP,a,b,9,80,x,0\n2,HTTP,b,a,81,8,x,0\n"),
            &["3:12 warning: src_port: line 2 gives this pair other ports than 81 and 8: use the same \
                 server port as on that line, or check both"],
        ),
        (
            format!("{PORT_HEADER}1,HTTP,a,b,9,80,x,0\n2,HTTP,a,b,,,x,0\n3,HTTP,a,b,10,80,x,0\n4,HTTP,a,b,,,x,0\n"),
            &["5:14 warning: message: this pair has several connections (line 2 and after): \
                 give the ports of this row"],
        ),
        (
            "id,colour,protocol,src,dst,message,time\n1,red,CHAT,a,b,x,0\n".to_owned(),
            &["1:4 warning: column 'colour' is ignored: remove it, or give it a known name"],
        ),
    ];
    for (given, expected) in cases {
        let excerpt: String = given.chars().take(300).collect();
        assert_eq!(read(&given).1, expected, "given {excerpt:?}");
    }
}

#[test]
fn text_in_unnamed_columns_after_the_message_is_refused() {
    let cases: [(&str, &[&str], usize); 5] = [
        ("protocol,src,dst,time,message,,\nCHAT,a,b,0,hi,,\nCHAT,a,b,0,\"hi, there\",,\n", &[], 2),
        (
            "protocol,src,dst,time,message,,\nCHAT,a,b,0,hi, there,\nCHAT,a,b,0,hi,,x\n",
            &[
                "2:15 error: this column has text but no name: quote a message that contains commas, \
                 or name the column",
                "3:16 error: this column has text but no name: quote a message that contains commas, \
                 or name the column",
            ],
            0,
        ),
        // Spreadsheets write extra empty fields.
        ("protocol,src,dst,time,message\nCHAT,a,b,0,hi,,,\n", &[], 1),
        // An index column without a name, as data frames have, is before the message.
        (",protocol,src,dst,time,message\n0,CHAT,a,b,0,hi\n", &[], 1),
        (
            "protocol,src,dst,message,,time\nCHAT,a,b,hi, there,0\n",
            &["2:13 error: this column has text but no name: quote a message that contains commas, \
                 or name the column"],
            0,
        ),
    ];
    for (given, expected, n_rows) in cases {
        let (rows, faults) = read(given);
        assert_eq!((rows.len(), &*faults), (n_rows, &*expected.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }
}

#[test]
fn ambiguous_quotes_and_times_are_reported() {
    let csv = format!("{HEADER}1, \"CHAT\", \"Noy\",Elias,x,20260131\n");
    assert_eq!(
        read(csv).1,
        [
            "2:3 warning: app_protocol: white space before the quote makes it part of the text: remove the white space",
            "2:11 warning: src_app: white space before the quote makes it part of the text: remove the white space",
            "2:26 warning: timestamp: '20260131' is read as seconds, but looks like a date: write 2026-01-31 if it is \
             one",
        ]
    );
}

#[test]
fn counted_seconds_are_not_taken_for_years() {
    // Only the first row is checked. Its time, 1989, does not look like a year; later times do.
    let rows = (1989..2101).map(|second| format!("{second},CHAT,a,b,x,{second}\n")).collect::<Vec<_>>().concat();
    assert_eq!(read(format!("{HEADER}{rows}")).1, Vec::<String>::new());
}

#[test]
fn missing_ids_are_assigned_uniquely() {
    let (rows, faults) = read(format!("{HEADER}2,CHAT,a,b,x,0\n,CHAT,a,b,x,0\n,CHAT,a,b,x,0\n,CHAT,a,b,x,0\n"));
    let ids: Vec<_> = rows.iter().map(|row| row.number.to_string()).collect();
    assert_eq!((ids, faults), (["2", "3", "4", "5"].map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn number_of_apps_is_bounded() {
    let rows = (0..=APPS_MAX).map(|id| format!("{id},CHAT,all,n{id},x,0\n")).collect::<Vec<_>>().concat();
    let (rows, faults) = read(format!("{HEADER}{rows}"));
    assert!(rows.len() < APPS_MAX && rows.len() > APPS_MAX / 2, "{} rows", rows.len());
    assert!(faults[0].ends_with("error: dst_app: there are more than 65536 apps: split the file"), "{}", faults[0]);
    assert_eq!(rows.len() + faults.len(), APPS_MAX + 1);
}

#[test]
fn failing_input_ends_the_rows() {
    struct FailingInput;
    impl Read for FailingInput {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let mut reader = RowReader::new(HEADER.as_bytes().chain(FailingInput), RowOptions::default());
    assert!(matches!(reader.next(), Some(Err(RowError::Io(_)))));
    assert!(reader.next().is_none());
}

prop_compose! {
    /// A row without errors.
    fn any_row()(
        id in "[a-z0-9]{1,8}",
        protocol in prop::sample::select(vec!["HTTP", "dns", "CHAT", "Gopher"]),
        ends in prop::sample::select(vec![
            ("Noy", "Elias"), ("Elias", "Noy"), ("10.0.0.1", "10.0.0.2"), ("::1", "web, \"the\" server"),
        ]),
        ports in prop::option::of((1u16.., 1u16..)),
        message in "\\PC{0,40}|[\",;\r\n\t \\\\]{0,20}",
        nanos in 0..=i64::MAX,
    ) -> Row {
        Row {
            number: MessageId::from(&*id),
            line: 0,
            protocol: AppProtocol::from(protocol),
            source: ends.0.parse().unwrap(),
            destination: ends.1.parse().unwrap(),
            source_port: ports.map(|ports| ports.0),
            destination_port: ports.map(|ports| ports.1),
            message: message.into_bytes(),
            time: Timestamp::from_nanos(nanos),
        }
    }
}

proptest! {
    #[test]
    fn rows_of_the_csv_crate_are_read_back(
        rows in prop::collection::vec(any_row(), 1..20),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
        has_crlf: bool,
        has_iso_times: bool,
    ) {
        let terminator = if has_crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
        writer.write_record(PORT_HEADER.trim_end().split(',')).unwrap();
        let port = |port: Option<u16>| port.map_or(String::new(), |port| port.to_string()).into_bytes();
        for row in &rows {
            let time = if has_iso_times { row.time.iso().to_string() } else { row.time.to_string() };
            let texts = [
                row.number.to_string(),
                row.protocol.to_string(),
                row.source.to_string(),
                row.destination.to_string(),
                time,
            ];
            let [id, protocol, source, destination, time] = texts.map(String::into_bytes);
            let (from, to) = (port(row.source_port), port(row.destination_port));
            writer.write_record([id, protocol, source, destination, from, to, row.message.clone(), time]).unwrap();
        }
        let (mut read, faults) = read(writer.into_inner().unwrap());
        prop_assert!(!faults.iter().any(|fault| fault.contains(" error: ")), "{:?}", faults);
        for row in &mut read {
            row.line = 0;
        }
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn no_input_panics(bytes: Vec<u8>, lines in "[a1,\"\n\r;:.é ]{0,200}", escapes: bool) {
        let options = RowOptions { escapes };
        read_with(&bytes, options);
        read_with([HEADER.as_bytes(), &bytes].concat(), options);
        read_with([PORT_HEADER.as_bytes(), lines.as_bytes()].concat(), options);
    }
}
