DROP FUNCTION reject_audit_change();
