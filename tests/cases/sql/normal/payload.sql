CREATE TABLE ra_soat (ma_he_thong, ma_don_vi, ngay_ra_soat, dau_tu, ket_noi, nguoi_ra_soat, dien_thoai, cap_nhat);
CREATE VIEW v_ra_soat AS SELECT * FROM ra_soat;
INSERT INTO ra_soat VALUES
 ('HT.001', 'SYT', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:00.250000+07:00'),
 ('HT.002', 'SYT', '2025-12-31', 0, 'không', 'Trần Thị B', '0912345678', '2026-01-02T09:00:00+07:00'),
 ('HT.001', 'SYT', '2026-03-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-04-01T09:00:00+07:00');
