package keyfile

func limitFiles(int64) { panic("BUG: the test that uses it is skipped here") }
