package timeline

import (
	"context"
	"database/sql"
	"time"
)

// credentials joins in who may connect; whoever was revoked in either place is revoked.
func (i *importer) credentials(ctx context.Context) error {
	return i.to.db.transact(ctx, func(tx *transaction) error {
		return i.from.each(ctx, i.tx, "credentials", nil, func(scan func(...any) error) error {
			var key, region, prober string
			var created, revoked int64
			if err := scan(&key, &region, &prober, &created, &revoked); err != nil {
				return err
			}
			return tx.exec("join credential", key, region, prober, created, revoked)
		})
	})
}

// plans keeps, of each region, the plan with the higher revision: probers follow none that is older than theirs.
func (i *importer) plans(ctx context.Context) error {
	var regions []string
	err := i.from.each(ctx, i.tx, "planned regions", nil, func(scan func(...any) error) error {
		var region string
		err := scan(&region)
		regions = append(regions, region)
		return err
	})
	if err != nil {
		return err
	}
	return i.to.db.transact(ctx, func(tx *transaction) error {
		for _, region := range regions {
			if err := i.plan(ctx, tx, region); err != nil {
				return err
			}
		}
		return i.changes(ctx, tx)
	})
}

func (i *importer) plan(ctx context.Context, tx *transaction, region string) error {
	p := Plan{Region: region}
	row := i.tx.QueryRowContext(ctx, i.from.queries["plan"], region)
	if err := row.Scan(&p.Revision, &p.Manifest); err != nil {
		return err
	}
	n, err := tx.change("raise plan", region, p.Revision, p.Manifest)
	if err != nil || n == 0 {
		return err
	}
	return i.from.each(ctx, i.tx, "all plan chunks", []any{region}, func(scan func(...any) error) error {
		var name string
		var revision int64
		var data sql.RawBytes
		if err := scan(&name, &revision, &data); err != nil {
			return err
		}
		return tx.exec("put plan chunk", region, name, revision, []byte(data))
	})
}

func (i *importer) changes(ctx context.Context, tx *transaction) error {
	always := time.Unix(1<<40, 0).UnixMilli()
	return i.from.each(ctx, i.tx, "changes", []any{int64(0), always}, func(scan func(...any) error) error {
		var check, region, what string
		var revision, at int64
		if err := scan(&check, &region, &revision, &at, &what); err != nil {
			return err
		}
		return tx.exec("put change", check, region, revision, at, what)
	})
}
