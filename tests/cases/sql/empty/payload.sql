CREATE TABLE ra_soat (ma_he_thong, ma_don_vi, ngay_ra_soat, dau_tu, ket_noi, nguoi_ra_soat, dien_thoai, cap_nhat);
CREATE VIEW v_ra_soat AS SELECT * FROM ra_soat;
