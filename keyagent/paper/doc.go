// Package paper puts master keys and shares on paper, and reads them again: words to write and type, a text with a check
// per line, a QR code with the same text, and the page to print.
//
// # API
//
//	Words(master *keyagent.Secret) ([]string, error)            25 words
//	ParseWords(text []byte) (*keyagent.Secret, error)
//	Check(kvt [32]byte) string                                  the first 8 hex digits of a KVT, as printed
//	MasterText(master *keyagent.Secret) (string, error)         the text form, also the payload of the QR code
//	ShareText(share *shares.Share) (string, error)
//	ParseText(text []byte) (Text, error)                        Text{Master, Share}: one of them
//	Write(w io.Writer, sheet Sheet) error                       a PDF, one page per master or share
//
// # Words
//
// A master key is 24 words of BIP-39 (English), made as there: its 256 bits and the first 8 bits of their SHA-256, 11 bits
// a word. Any BIP-39 tool gives the key back ("entropy"). Word 25 is ours: number KVT mod 2048 of the list, the KVT being
// the key verification tag read as a big-endian number; so the words say whether they open what was sealed. One wrong
// word passes the eight bits once in 256, and the check word once in 2048.
//
// ParseWords takes any case, white space, commas, numbers in front ("7." "7)" "7:" "7"), and the first four letters of a
// word, which no two words share.
//
// # Text form
//
//	MKM1-2/ABCD…/ABCD…       a master: its 32 bytes, then the first 4 bytes of its KVT
//	MKS1-13/ABCD…/…          a share: its wire form (../SHARES.md)
//
// MKM or MKS, the version, a dash, the number of lines, then the lines, each after a slash: 25 bytes a line (the last has
// the rest) in Crockford's Base32 without padding (bits from the front, zero bits at the end), then two check characters:
// the first 10 bits of SHA-256("memkey/2 paper line" ‖ 00 ‖ kind letter ‖ number of the line ‖ number of lines ‖ bytes).
// All characters are in the alphanumeric set of QR codes. ParseText takes any case, I and L for 1, O for 0, blanks and
// dashes anywhere, line breaks for slashes, and numbers with a dot or parenthesis in front of a line ("7.", "7)"). A check
// finds a wrong line in 1023 of 1024 cases; the master's KVT and the share's own check find the rest.
//
// # Files
//
//	words.go parse_words.go      the words
//	base32.go text.go parse_text.go   the text form
//	sheet.go                     what is printed
//	pdf.go page.go qr.go         the page
//	limits.go errors.go
//
// # Promises and the tests that hold them
//
//   - Words and texts give back what they were made of: TestWordsRoundTrip, TestTextRoundTrip, FuzzParseWords,
//     FuzzParseText; as other programs do: TestWordsAreBIP39, TestTextFormIsTheDocumentedOne.
//   - People type as they like: TestParseWordsIsTolerant, TestParseTextIsTolerant, TestFourLettersAreEnough.
//   - One wrong word is caught, but for 1 in 256 · 2048 = 524,288; 3 of 2,047,000 substitutions in 40 keys passed:
//     TestEverySubstitutionOfOneWordIsCaught. Its position is named: TestWrongWordIsNamedWithTheNearest,
//     TestCheckErrorNamesThePosition, TestWrongCountsAndNumbersAreRefused.
//   - A wrong line is caught and named: TestAWrongCharacterNamesItsLine, TestWrongLinesAreNamed. Other texts are
//     refused: TestOtherTextsAreRefused, TestOneTextPerSecret.
//   - The code on the page is read again: TestCodeOnThePageIsReadAgain, TestCodesOfEveryLengthAreRead,
//     TestCodeSurvivesDamage. The page says what it has to: TestPageOfAMasterSaysEverything,
//     TestPageOfAShareSaysEverything; all of it on the page: TestNothingLeavesThePageOrOverlaps.
//   - The same sheet is the same bytes, without metadata: TestSameSheetSameBytes, TestNoMetadataAndNoFontFiles. Nothing is
//     written of a bad one: TestBadSheetsAreRefused.
//
// # Ownership and secrets
//
// Secrets and shares that are passed in stay the caller's; what the parsers return is the caller's to wipe. Text that is
// passed in is not changed: the caller clears it. Words, text forms and pages are the key in clear, as strings and in the
// buffers of the PDF writer; no Go program can wipe those. They are for the administrator's machine, for the moment of
// printing. Errors have positions only: TestErrorsHaveNoKeyBytes.
//
// # Concurrency
//
// Functions share nothing and are safe for concurrent use.
package paper
