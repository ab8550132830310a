package timeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Summaries and outlines of 32 days are in one row, a page, so that a month of a series is read with a row or two. All integers are
// unsigned varints:
//
//	version  1 byte
//	days     of each that there is something of, in order of time: its number on the page, the length of that, that
const (
	pageVersion = 1
	pageDays    = 32
)

var errPage = errors.New("the page is damaged")

// pageOf returns the page that a day is on.
func pageOf(day int64) int64 { return floor(day, pageDays) }

// A pageRow is the row of a page.
type pageRow struct {
	number int64
	void   int64 // a bit for each day on it that counts as not there
	data   []byte
}

// each calls f for the days of a row that are not void, up to where it cannot be read.
func (r *pageRow) each(f func(dayPart)) error {
	return eachDay(r.number, r.data, func(d dayPart) {
		if r.void>>(d.day-r.number*pageDays)&1 == 0 {
			f(d)
		}
	})
}

// A dayPage is what there is of days, by day.
type dayPage []dayPart

type dayPart struct {
	day  int64
	data []byte
}

// readPage reads a row; b is kept.
func readPage(number int64, b []byte) (dayPage, error) {
	var p dayPage
	if err := eachDay(number, b, func(o dayPart) { p = append(p, o) }); err != nil {
		return nil, err
	}
	return p, nil
}

// eachDay calls f for the days of a row, with parts of b, up to where it cannot be read.
func eachDay(number int64, b []byte, f func(dayPart)) error {
	if len(b) == 0 || b[0] != pageVersion {
		return fmt.Errorf("got % x…, want version %d", b[:min(len(b), 1)], pageVersion)
	}
	next := uint64(0)
	for b = b[1:]; len(b) > 0; {
		day, k := binary.Uvarint(b)
		if k <= 0 || day >= pageDays || day < next {
			return errPage
		}
		n, m := binary.Uvarint(b[k:])
		if m <= 0 || n > uint64(len(b)-k-m) {
			return errPage
		}
		f(dayPart{number*pageDays + int64(day), b[k+m : k+m+int(n)]})
		b, next = b[k+m+int(n):], day+1
	}
	return nil
}

// with returns a page with something else of a day; without the day if data is nil.
func (p dayPage) with(day int64, data []byte) dayPage {
	p = slices.DeleteFunc(p, func(o dayPart) bool { return o.day == day })
	if data == nil {
		return p
	}
	i, _ := slices.BinarySearchFunc(p, day, func(o dayPart, day int64) int { return int(o.day - day) })
	return slices.Insert(p, i, dayPart{day, data})
}

// encode makes a row of a page.
func (p dayPage) encode() []byte {
	b := []byte{pageVersion}
	for _, o := range p {
		b = binary.AppendUvarint(b, uint64(o.day-pageOf(o.day)*pageDays))
		b = append(binary.AppendUvarint(b, uint64(len(o.data))), o.data...)
	}
	return b
}
