DROP TABLE order_items;
DROP TABLE product_stocks;
