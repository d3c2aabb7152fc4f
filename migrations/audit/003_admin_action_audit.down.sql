DROP TABLE admin_action_audit;
