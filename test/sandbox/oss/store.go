package oss

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// A store keeps the metadata: records under string keys, in one SQLite
// database. It is written behind: what is set is in the database a few
// milliseconds later, many records to a transaction, and all of it when close
// returns. A process that is killed loses those milliseconds, never the
// integrity of the database.
type store struct {
	db *sql.DB

	mu      sync.Mutex
	pending map[string]any // what to write; nil deletes
	retired []*blob        // to be reclaimed once pending has been written
	before  func() error   // writes what the records of pending tell of
	failed  func(error)    // is told of err
	reclaim func(*blob)
	kicked  bool       // before is to be called even if nothing is pending
	running bool       // a flush is under way or about to be
	err     error      // the first failure; the store is of no use after it
	idle    *sync.Cond // signalled when running becomes false
}

// flushPause is how long records are collected before they are written.
const flushPause = 5 * time.Millisecond

// openStore opens the database in dir, which is made if there is none. No other
// process can open it meanwhile.
func openStore(dir string) (*store, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(dir, "meta.db"))}
	dsn.RawQuery = url.Values{"_pragma": {
		"busy_timeout(0)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(OFF)", "cache_size(-65536)",
	}}.Encode()
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	// The write takes the exclusive lock, which a read would not.
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS records (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
		INSERT OR REPLACE INTO records VALUES (CAST('v' AS BLOB), CAST('1' AS BLOB))`); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", filepath.Join(dir, "meta.db"), err)
	}
	st := &store{db: db, pending: make(map[string]any)}
	st.idle = sync.NewCond(&st.mu)
	return st, nil
}

// load calls fn with each record, in the order of the keys.
func (st *store) load(fn func(k string, v []byte) error) error {
	rows, err := st.db.Query(`SELECT k, v FROM records ORDER BY k`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k, v []byte
		if err := rows.Scan(&k, &v); err != nil {
			return err
		}
		if err := fn(string(k), v); err != nil {
			return fmt.Errorf("record %q: %w", k, err)
		}
	}
	return rows.Err()
}

// A recorder is a value whose record is something else. The store asks for it
// when it writes.
type recorder interface{ stored() any }

// set writes a record, as JSON. The value must not change afterwards.
func (st *store) set(k string, v any) {
	st.mu.Lock()
	st.pending[k] = v
	st.wake()
	st.mu.Unlock()
}

// retire has a blob reclaimed once no record in the database tells of it. If it
// were earlier, a process that is killed would leave an object without content.
func (st *store) retire(b *blob) {
	st.mu.Lock()
	st.retired = append(st.retired, b)
	st.wake()
	st.mu.Unlock()
}

// kick sees to it that before is called soon.
func (st *store) kick() {
	st.mu.Lock()
	st.kicked = true
	st.wake()
	st.mu.Unlock()
}

// wake sees to it that a flush is under way.
func (st *store) wake() {
	if !st.running {
		st.running = true
		go st.flush()
	}
}

// remove deletes a record.
func (st *store) remove(k string) { st.set(k, nil) }

// flush writes until nothing is pending.
func (st *store) flush() {
	for {
		time.Sleep(flushPause)
		st.mu.Lock()
		batch, retired := st.pending, st.retired
		if len(batch)+len(retired) == 0 && !st.kicked || st.err != nil {
			st.running = false
			st.idle.Broadcast()
			st.mu.Unlock()
			return
		}
		st.pending, st.retired, st.kicked = make(map[string]any, len(batch)), nil, false
		st.mu.Unlock()
		err := st.before()
		if err == nil {
			err = st.write(batch)
		}
		if err != nil {
			st.mu.Lock()
			st.err = err
			st.mu.Unlock()
			st.failed(err)
			continue
		}
		for _, b := range retired {
			st.reclaim(b)
		}
	}
}

func (st *store) write(batch map[string]any) error {
	if len(batch) == 0 {
		return nil
	}
	ctx := context.Background() // what was answered must be written
	tx, err := st.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, err := tx.PrepareContext(ctx, `INSERT INTO records VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v`)
	if err != nil {
		return err
	}
	del, err := tx.PrepareContext(ctx, `DELETE FROM records WHERE k = ?`)
	if err != nil {
		return err
	}
	for k, v := range batch {
		if r, ok := v.(recorder); ok {
			v = r.stored()
		}
		if v == nil {
			_, err = del.ExecContext(ctx, []byte(k))
		} else if b, e := json.Marshal(v); e != nil {
			err = e
		} else {
			_, err = put.ExecContext(ctx, []byte(k), b)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// failure returns the error that ended the store's work, nil while it is fine.
func (st *store) failure() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.err
}

// close writes what is pending and closes the database.
func (st *store) close() error {
	st.mu.Lock()
	for st.running {
		st.idle.Wait()
	}
	err := st.err
	st.mu.Unlock()
	if e := st.db.Close(); err == nil {
		err = e
	}
	return err
}
