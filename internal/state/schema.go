package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// applicationID marks our files, "OSSY", for file(1) and for us.
const applicationID = 0x4f535359

// minSQLite is the first release without the bug of 3.7.0 to 3.51.2 that could
// damage a file when a checkpoint and a commit met.
const minSQLite = "3.51.3"

// pageSize is SQLite's default, in bytes.
const pageSize = 4096

// migrations lead from an empty file to the present format. Each is one
// transaction; the format is how many have been run. One that was released is
// never changed.
var migrations = [...]string{
	`
CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE roots(id INTEGER PRIMARY KEY, source BLOB NOT NULL, bucket BLOB NOT NULL, prefix BLOB NOT NULL,
	rec BLOB NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, UNIQUE(source, bucket, prefix)) STRICT;
CREATE TABLE dirs(root INTEGER NOT NULL, path BLOB NOT NULL, id INTEGER NOT NULL, digest INTEGER NOT NULL,
	PRIMARY KEY(root, path)) WITHOUT ROWID, STRICT;
CREATE TABLE files(dir INTEGER NOT NULL, name BLOB NOT NULL, rec BLOB NOT NULL,
	PRIMARY KEY(dir, name)) WITHOUT ROWID, STRICT;
CREATE TABLE uploads(id INTEGER PRIMARY KEY, root INTEGER NOT NULL, path BLOB NOT NULL, rec BLOB NOT NULL,
	UNIQUE(root, path)) STRICT;
CREATE TABLE parts(upload INTEGER NOT NULL, part INTEGER NOT NULL, rec BLOB NOT NULL,
	PRIMARY KEY(upload, part)) WITHOUT ROWID, STRICT;
CREATE TABLE failures(root INTEGER NOT NULL, path BLOB NOT NULL, tries INTEGER NOT NULL, since INTEGER NOT NULL,
	due INTEGER NOT NULL, err TEXT NOT NULL, PRIMARY KEY(root, path)) WITHOUT ROWID, STRICT;
`,
	// A record of sums can be 80 KB, which is not for a key's leaf.
	`
CREATE TABLE sums(id INTEGER PRIMARY KEY, root INTEGER NOT NULL, path BLOB NOT NULL, rec BLOB NOT NULL,
	UNIQUE(root, path)) STRICT;
`,
}

// Keys of the table meta. All values are integers but those marked otherwise.
const (
	metaFormat   = "format"   // the same as user_version, to tell damage from a newer format
	metaSchema   = "schema"   // checksum of the schema's text
	metaClean    = "clean"    // 1 after Close, 0 while open
	metaChecked  = "checked"  // ms since 1970 of the last whole check
	metaRebuilt  = "rebuilt"  // ms since 1970, while any root is unverified because of it
	metaCause    = "cause"    // text; of that rebuild
	metaAside    = "aside"    // text
	metaSalvaged = "salvaged" // entries
	metaSnapshot = "snapshot" // entries
)

// firstID is the least id of roots and directories. SQLite plans a statement
// again whenever a bound value turns to 0 or 1 or back, so they are not used.
const firstID = 2

const (
	sqlMeta    = "SELECT v FROM meta WHERE k=?"
	sqlSetMeta = "INSERT OR REPLACE INTO meta(k, v) VALUES(?, ?)"
)

func setMeta(c *conn, key string, v driver.Value) error {
	return c.exec(context.Background(), sqlSetMeta, key, v)
}

// inspect tells what a connection's file is: format is 0 for an empty one. It
// returns an error that is damaged for one that claims to be ours and is not
// what we wrote, and *NewerError for one of a format above known, which a later
// release wrote.
func inspect(c *conn, path string, known int) (format int, err error) {
	ctx := context.Background()
	version, err := c.number(ctx, "PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	tables, err := c.number(ctx, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	if version == 0 && tables == 0 {
		return 0, nil
	}
	app, err := c.number(ctx, "PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	said, err := c.number(ctx, sqlMeta, metaFormat)
	if code(err) == codeError {
		return 0, fmt.Errorf("%w: no table meta", errDamaged)
	} else if err != nil {
		return 0, err
	}
	if app != applicationID || said != version {
		return 0, fmt.Errorf("%w: header says application %#x, format %d; the table meta says format %d", errDamaged, app, version, said)
	}
	if version > int64(known) {
		return 0, &NewerError{Path: path, Found: int(version), Known: known}
	}
	return int(version), checkSchema(c)
}

// checkSchema compares the schema with what was written by the last migration.
func checkSchema(c *conn) error {
	want, err := c.number(context.Background(), sqlMeta, metaSchema)
	if err != nil {
		return err
	}
	got, err := schemaSum(c)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: the schema is not what was written", errDamaged)
	}
	return nil
}

func schemaSum(c *conn) (int64, error) {
	var sum uint32
	err := c.query(context.Background(), func(row []driver.Value) error {
		sum = crc32.Update(sum, castagnoli, []byte(text(row[0])+"\x00"+text(row[1])+"\x00"+text(row[2])+"\x00"))
		return nil
	}, "SELECT name, tbl_name, ifnull(sql, '') FROM sqlite_schema ORDER BY name")
	return int64(sum), err
}

// migrate brings a file of the given format to the one that steps lead to.
func migrate(c *conn, format int, steps []string) error {
	ctx := context.Background()
	for ; format < len(steps); format++ {
		if err := c.script(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		if err := migrateOne(c, format+1, steps[format]); err != nil {
			return errors.Join(fmt.Errorf("migrate index to format %d: %w", format+1, err), c.script(ctx, "ROLLBACK"))
		}
	}
	return nil
}

func migrateOne(c *conn, format int, step string) error {
	ctx := context.Background()
	n := strconv.Itoa(format)
	if err := c.script(ctx, step+"PRAGMA application_id="+strconv.Itoa(applicationID)+";PRAGMA user_version="+n); err != nil {
		return err
	}
	sum, err := schemaSum(c)
	if err != nil {
		return err
	}
	if err := errors.Join(setMeta(c, metaFormat, int64(format)), setMeta(c, metaSchema, sum)); err != nil {
		return err
	}
	return c.script(ctx, "COMMIT")
}

// checkSQLite refuses a library that is known to damage files.
func checkSQLite(c *conn) error {
	row, err := c.first(context.Background(), "SELECT sqlite_version()")
	if err != nil {
		return err
	}
	if v := text(row[0]); !atLeast(v, minSQLite) {
		return fmt.Errorf("open index: SQLite %s can damage it, %s or later is needed", v, minSQLite)
	}
	return nil
}

// atLeast compares versions such as 3.51.3 number by number.
func atLeast(version, least string) bool {
	have, want := strings.Split(version, "."), strings.Split(least, ".")
	for i := range want {
		if i == len(have) {
			return false
		}
		h, err := strconv.Atoi(have[i])
		if err != nil {
			return false
		}
		if w, _ := strconv.Atoi(want[i]); h != w {
			return h > w
		}
	}
	return true
}
