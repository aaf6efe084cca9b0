CREATE TABLE ra_soat (ma_he_thong, ma_don_vi, ngay_ra_soat, dau_tu, cap_nhat);
CREATE VIEW v_ra_soat AS SELECT * FROM ra_soat;
INSERT INTO ra_soat VALUES ('HT.001', 'SYT', '2025-12-31', 1, '2026-01-03T09:00:00+07:00');
