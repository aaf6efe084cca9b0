CREATE TABLE ra_soat (ma_he_thong, ma_don_vi, ngay_ra_soat, dau_tu, ket_noi, nguoi_ra_soat, dien_thoai, cap_nhat);
CREATE VIEW v_ra_soat AS SELECT * FROM ra_soat;
INSERT INTO ra_soat VALUES
 ('HT.001', 'SYT', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:00+07:00'),
 ('HT.002', 'SYT', '31/12/2025', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:01+07:00'),
 ('HT.003', 'SYT', '2025-12-31', 2, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:02+07:00'),
 ('HT.004', 'Sở Y tế', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:03+07:00'),
 ('HT.005', 'SYT', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2999-01-03T09:00:04+07:00'),
 ('HT.006', 'SYT', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', NULL),
 (NULL, 'SYT', '2025-12-31', 1, 'có', 'Nguyễn Văn A', '0912345678', '2026-01-03T09:00:05+07:00');
