// Package manual turns what a program says of itself into man pages and shell
// completions: its cobra commands, which are the source of --help, and its doc.go.
// Tests of the programs call it (TestManual of each); no program links it.
//
// # Promises, each with the test that proves it
//
//   - Text comes out as it went in, whatever roff makes of its characters: TestEscaping.
//   - A page has every command, flag and section: TestProgramPage.
package manual
