package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// This file is all that knows the SQLite driver. It is used below database/sql,
// which would add a lock, a goroutine and conversions to every row.

// Result codes of SQLite, in their primary form.
const (
	codeError    = 1
	codeBusy     = 5
	codeLocked   = 6
	codeNoMem    = 7
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeProtocol = 15
	codeFormat   = 24
	codeNotADB   = 26
)

// code returns the primary result code of an error of SQLite, else 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// errDamaged is wrapped by a defect that we find ourselves, where SQLite does not.
var errDamaged = errors.New("index is damaged")

// damaged tells whether the file itself is wrong, so that trying again cannot help.
func damaged(err error) bool {
	switch code(err) {
	case codeCorrupt, codeNotADB, codeFormat:
		return true
	}
	return errors.Is(err, errDamaged)
}

// passing tells whether a failure lies outside of the file and may pass: the
// disk is full or fails, another process holds a lock, memory is short.
func passing(err error) bool {
	switch code(err) {
	case codeBusy, codeLocked, codeNoMem, codeReadOnly, codeIOErr, codeFull, codeCantOpen, codeProtocol:
		return true
	}
	return false
}

// lockedDown gives up SQL features that could damage a file or that hide
// mistakes. Pragmas belong to a connection, so every one gets them anew.
const lockedDown = "_dqs=0&_error_rc=1&_pragma=busy_timeout(5000)&_pragma=mmap_size(0)" +
	"&_pragma=cell_size_check(1)&_pragma=trusted_schema(0)"

const (
	// asWriter makes every COMMIT wait for the disk. A checkpoint is due every
	// 16 MiB; the log is cut to 64 MiB once nobody needs more.
	asWriter = lockedDown + "&_defensive=1&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)"
	asReader = lockedDown + "&_defensive=1&_query_only=1&_pragma=cache_size(-2000)"
	// asGuest is another process, or a look at a file that must not change.
	asGuest = lockedDown + "&mode=ro&_pragma=cache_size(-2000)"
	// asBuilder fills a file that does not count before it is closed and synced.
	asBuilder = lockedDown + "&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-8000)"
)

// A conn is one connection to SQLite, with its prepared statements. It serves
// one goroutine at a time.
type conn struct {
	c     driver.Conn
	stmts map[string]*stmt
}

type stmt struct {
	driver.Stmt
	args []driver.NamedValue
	row  []driver.Value
}

// connect opens the file at path, which is created unless the parameters say
// mode=ro.
func connect(path, params string) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	// A bare path would lose its parameters.
	dsn := (&url.URL{Scheme: "file", Path: slashed}).String() + "?" + params
	c, err := new(sqlite.Driver).Open(dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &conn{c, map[string]*stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// bind prepares sql, once for each connection, and sets its arguments.
func (c *conn) bind(sql string, args []driver.Value) (*stmt, error) {
	s := c.stmts[sql]
	if s == nil {
		prepared, err := c.c.Prepare(sql)
		if err != nil {
			return nil, err
		}
		s = &stmt{Stmt: prepared, args: make([]driver.NamedValue, len(args))}
		c.stmts[sql] = s
	}
	for i, v := range args {
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return s, nil
}

// exec runs one statement. Integers must be int64, and BLOBs not nil. The
// statement ends early when ctx is done; one that cannot be is cheaper.
func (c *conn) exec(ctx context.Context, sql string, args ...driver.Value) error {
	_, err := c.change(ctx, sql, args...)
	return err
}

// change is exec that tells whether the statement changed any row.
func (c *conn) change(ctx context.Context, sql string, args ...driver.Value) (bool, error) {
	s, err := c.bind(sql, args)
	if err != nil {
		return false, err
	}
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, s.args)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n != 0, err
}

// script runs several statements that are not worth keeping.
func (c *conn) script(ctx context.Context, sql string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	return err
}

// errStop ends a query early; it is no error to the caller of query.
var errStop = errors.New("stop")

// query hands each row to fn until there are no more or fn fails. The row is
// reused, its BLOBs are not. fn must not run the same statement.
func (c *conn) query(ctx context.Context, fn func(row []driver.Value) error, sql string, args ...driver.Value) (err error) {
	s, err := c.bind(sql, args)
	if err != nil {
		return err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, s.args)
	if err != nil {
		return err
	}
	defer func() {
		// Closing a query that failed tells the same error again.
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(s.row); err == errStop {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// first returns the first row of a query, nil where there is none. The row is
// good until the same statement runs again.
func (c *conn) first(ctx context.Context, sql string, args ...driver.Value) (row []driver.Value, err error) {
	err = c.query(ctx, func(r []driver.Value) error { row = r; return errStop }, sql, args...)
	return row, err
}

// number runs a query of one integer; 0 where there is no row.
func (c *conn) number(ctx context.Context, sql string, args ...driver.Value) (int64, error) {
	row, err := c.first(ctx, sql, args...)
	if err != nil || row == nil {
		return 0, err
	}
	return integer(row[0]), nil
}

// A damaged page can show a value of another type than its column's, so none
// is taken for granted. A BLOB of no bytes comes as nil.

func integer(v driver.Value) int64 { n, _ := v.(int64); return n }
func text(v driver.Value) string   { s, _ := v.(string); return s }
func blob(v driver.Value) []byte   { b, _ := v.([]byte); return b }
