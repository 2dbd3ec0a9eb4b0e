//! Every error that a switch can answer with, and its numbers in each version.
//!
//! # References
//! The `OFPET_*` chapters of OpenFlow 1.0.2 §5.4.4, 1.1.0 §A.4.4, 1.2 §A.4.4, 1.3.5 §7.4.4,
//! 1.4.1 §7.5.4 and 1.5.1 §7.5.4; the ONF's extensions for 1.3; the Nicira extensions
//! (`ofp-errors.h`).

use super::Codes;
use super::Vendor::{Nx, Of, Onf};

macro_rules! ofp_errors {
    ($($name:ident = $text:literal [$($vendor:ident $from:literal $to:literal ($type:literal, $code:literal)),+];)+) => {
        /// An error of the OpenFlow protocol: what a message deserves that cannot be obeyed.
        ///
        /// Names are those of `ovs-ofctl` without their `OFP` and `C`: [`OfpError::name`] gives the
        /// whole one, [`OfpError::codes`] the numbers of a version.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum OfpError { $(#[doc = concat!("`", $text, "`.")] $name,)+ }

        impl OfpError {
            /// Every error. Where a version gives two of them one number, the first is meant.
            pub const ALL: &'static [OfpError] = &[$(OfpError::$name,)+];

            /// The name in `ovs-ofctl`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(OfpError::$name => $text,)+ }
            }

            pub(super) const fn table(self) -> &'static [Codes] {
                match self {
                    $(OfpError::$name => &[$(Codes {
                        vendor: $vendor, minor: ($from, $to), error_type: $type, code: $code,
                    },)+],)+
                }
            }
        }
    };
}

// The two numbers behind the vendor are the first and the last minor version.
ofp_errors! {
HfIncompatible = "OFPHFC_INCOMPATIBLE" [Of 0 5 (0, 0)];
    HfEperm = "OFPHFC_EPERM" [Of 0 5 (0, 1)];
    BrBadVersion = "OFPBRC_BAD_VERSION" [Of 0 5 (1, 0)];
    BrBadType = "OFPBRC_BAD_TYPE" [Of 0 5 (1, 1)];
    BrBadStat = "OFPBRC_BAD_STAT" [Of 0 5 (1, 2)];
    BrBadVendor = "OFPBRC_BAD_VENDOR" [Of 0 5 (1, 3)];
    BrBadSubtype = "OFPBRC_BAD_SUBTYPE" [Of 0 5 (1, 4)];
    BrEperm = "OFPBRC_EPERM" [Of 0 5 (1, 5)];
    BrBadLen = "OFPBRC_BAD_LEN" [Of 0 5 (1, 6)];
    BrBufferEmpty = "OFPBRC_BUFFER_EMPTY" [Of 0 5 (1, 7)];
    BrBufferUnknown = "OFPBRC_BUFFER_UNKNOWN" [Of 0 5 (1, 8)];
    BrBadTableId = "OFPBRC_BAD_TABLE_ID" [Nx 0 0 (1, 512), Of 1 5 (1, 9)];
    BrIsSecondary = "OFPBRC_IS_SECONDARY" [Of 0 1 (1, 5), Of 2 5 (1, 10)];
    BrBadPort = "OFPBRC_BAD_PORT" [Nx 0 1 (1, 514), Of 2 5 (1, 11)];
    BrBadPacket = "OFPBRC_BAD_PACKET" [Of 2 5 (1, 12)];
    BrMultipartBufferOverflow = "OFPBRC_MULTIPART_BUFFER_OVERFLOW" [Of 3 5 (1, 13)];
    BrMultipartRequestTimeout = "OFPBRC_MULTIPART_REQUEST_TIMEOUT" [Onf 3 3 (2640, 0), Of 4 5 (1, 14)];
    BrMultipartReplyTimeout = "OFPBRC_MULTIPART_REPLY_TIMEOUT" [Onf 3 3 (2641, 0), Of 4 5 (1, 15)];
    BrMultipartBadSched = "OFPBRC_MULTIPART_BAD_SCHED" [Of 5 5 (1, 16)];
    BrPipelineFieldsOnly = "OFPBRC_PIPELINE_FIELDS_ONLY" [Of 5 5 (1, 17)];
    BrUnknown = "OFPBRC_UNKNOWN" [Of 5 5 (1, 18)];
    NxbrNxmInvalid = "NXBRC_NXM_INVALID" [Nx 0 1 (1, 256), Nx 2 5 (2, 0)];
    NxbrNxmBadType = "NXBRC_NXM_BAD_TYPE" [Nx 0 1 (1, 257), Nx 2 5 (3, 0)];
    NxbrMustBeZero = "NXBRC_MUST_BE_ZERO" [Nx 0 1 (1, 515), Nx 2 5 (4, 0)];
    NxbrBadReason = "NXBRC_BAD_REASON" [Nx 0 1 (1, 516), Nx 2 5 (5, 0)];
    NxbrFmBadEvent = "NXBRC_FM_BAD_EVENT" [Nx 0 1 (1, 520), Nx 2 5 (9, 0)];
    NxbrUnencodableError = "NXBRC_UNENCODABLE_ERROR" [Nx 0 1 (1, 521), Nx 2 5 (10, 0)];
    BaBadType = "OFPBAC_BAD_TYPE" [Of 0 5 (2, 0)];
    BaBadLen = "OFPBAC_BAD_LEN" [Of 0 5 (2, 1)];
    BaBadVendor = "OFPBAC_BAD_VENDOR" [Of 0 5 (2, 2)];
    BaBadVendorType = "OFPBAC_BAD_VENDOR_TYPE" [Of 0 5 (2, 3)];
    BaBadOutPort = "OFPBAC_BAD_OUT_PORT" [Of 0 5 (2, 4)];
    BaBadArgument = "OFPBAC_BAD_ARGUMENT" [Of 0 5 (2, 5)];
    BaEperm = "OFPBAC_EPERM" [Of 0 5 (2, 6)];
    BaTooMany = "OFPBAC_TOO_MANY" [Of 0 5 (2, 7)];
    BaBadQueue = "OFPBAC_BAD_QUEUE" [Of 0 5 (2, 8)];
    BaBadOutGroup = "OFPBAC_BAD_OUT_GROUP" [Nx 0 0 (2, 9), Of 1 5 (2, 9)];
    BaMatchInconsistent = "OFPBAC_MATCH_INCONSISTENT" [Nx 0 0 (1, 522), Of 1 5 (2, 10)];
    BaUnsupportedOrder = "OFPBAC_UNSUPPORTED_ORDER" [Of 1 5 (2, 11)];
    BaBadTag = "OFPBAC_BAD_TAG" [Of 1 5 (2, 12)];
    BaBadSetType = "OFPBAC_BAD_SET_TYPE" [Nx 0 1 (1, 523), Of 2 5 (2, 13)];
    BaBadSetLen = "OFPBAC_BAD_SET_LEN" [Nx 0 1 (1, 524), Of 2 5 (2, 14)];
    BaBadSetArgument = "OFPBAC_BAD_SET_ARGUMENT" [Nx 0 1 (1, 525), Of 2 5 (2, 15)];
    BaBadSetMask = "OFPBAC_BAD_SET_MASK" [Onf 3 4 (4250, 0), Of 5 5 (2, 16)];
    BaBadMeter = "OFPBAC_BAD_METER" [Of 5 5 (2, 17)];
    NxbaMustBeZero = "NXBAC_MUST_BE_ZERO" [Nx 0 1 (2, 256), Nx 2 5 (11, 0)];
    NxbaBadConjunction = "NXBAC_BAD_CONJUNCTION" [Nx 0 1 (2, 526), Nx 2 5 (15, 0)];
    NxbaBadHeaderType = "NXBAC_BAD_HEADER_TYPE" [Nx 3 5 (39, 0)];
    NxbaUnknownEdProp = "NXBAC_UNKNOWN_ED_PROP" [Nx 3 5 (40, 0)];
    NxbaBadEdProp = "NXBAC_BAD_ED_PROP" [Nx 3 5 (41, 0)];
    NxbaCtDatapathSupport = "NXBAC_CT_DATAPATH_SUPPORT" [Nx 0 1 (1, 265), Nx 2 5 (42, 0)];
    BiUnknownInst = "OFPBIC_UNKNOWN_INST" [Of 1 5 (3, 0)];
    BiUnsupInst = "OFPBIC_UNSUP_INST" [Nx 0 0 (2, 257), Of 1 5 (3, 1)];
    BiBadTableId = "OFPBIC_BAD_TABLE_ID" [Of 1 5 (3, 2)];
    BiUnsupMetadata = "OFPBIC_UNSUP_METADATA" [Of 1 5 (3, 3)];
    BiUnsupMetadataMask = "OFPBIC_UNSUP_METADATA_MASK" [Of 1 5 (3, 4)];
    BiBadExperimenter = "OFPBIC_BAD_EXPERIMENTER" [Of 1 5 (3, 5)];
    BiBadExpType = "OFPBIC_BAD_EXP_TYPE" [Of 1 1 (3, 5), Of 2 5 (3, 6)];
    BiBadLen = "OFPBIC_BAD_LEN" [Of 2 5 (3, 7)];
    BiEperm = "OFPBIC_EPERM" [Of 2 5 (3, 8)];
    BiDupInst = "OFPBIC_DUP_INST" [Nx 1 1 (3, 256), Onf 2 3 (2600, 0), Of 4 5 (3, 9)];
    BmBadType = "OFPBMC_BAD_TYPE" [Of 1 5 (4, 0)];
    BmBadLen = "OFPBMC_BAD_LEN" [Of 1 5 (4, 1)];
    BmBadTag = "OFPBMC_BAD_TAG" [Of 1 5 (4, 2)];
    BmBadDlAddrMask = "OFPBMC_BAD_DL_ADDR_MASK" [Of 1 5 (4, 3)];
    BmBadNwAddrMask = "OFPBMC_BAD_NW_ADDR_MASK" [Of 1 5 (4, 4)];
    BmBadWildcards = "OFPBMC_BAD_WILDCARDS" [Nx 0 0 (1, 262), Of 1 5 (4, 5)];
    BmBadField = "OFPBMC_BAD_FIELD" [Nx 0 0 (0, 263), Of 1 5 (4, 6)];
    BmBadValue = "OFPBMC_BAD_VALUE" [Nx 0 0 (1, 258), Of 1 5 (4, 7)];
    BmBadMask = "OFPBMC_BAD_MASK" [Nx 0 1 (1, 259), Of 2 5 (4, 8)];
    BmBadPrereq = "OFPBMC_BAD_PREREQ" [Nx 0 1 (1, 260), Of 2 5 (4, 9)];
    BmDupField = "OFPBMC_DUP_FIELD" [Nx 0 1 (1, 261), Of 2 5 (4, 10)];
    BmEperm = "OFPBMC_EPERM" [Of 2 5 (4, 11)];
    NxbmCtDatapathSupport = "NXBMC_CT_DATAPATH_SUPPORT" [Nx 0 1 (1, 264), Nx 2 5 (43, 0)];
    FmfUnknown = "OFPFMFC_UNKNOWN" [Of 1 5 (5, 0)];
    FmfTableFull = "OFPFMFC_TABLE_FULL" [Of 0 0 (3, 0), Of 1 5 (5, 1)];
    FmfBadTableId = "OFPFMFC_BAD_TABLE_ID" [Of 1 5 (5, 2)];
    FmfOverlap = "OFPFMFC_OVERLAP" [Of 0 0 (3, 1), Of 1 5 (5, 3)];
    FmfEperm = "OFPFMFC_EPERM" [Of 0 0 (3, 2), Of 1 5 (5, 4)];
    FmfBadTimeout = "OFPFMFC_BAD_TIMEOUT" [Of 1 5 (5, 5)];
    FmfBadEmergTimeout = "OFPFMFC_BAD_EMERG_TIMEOUT" [Of 0 0 (3, 3)];
    FmfBadCommand = "OFPFMFC_BAD_COMMAND" [Of 0 0 (3, 4), Of 1 5 (5, 6)];
    FmfBadFlags = "OFPFMFC_BAD_FLAGS" [Nx 0 0 (3, 258), Nx 1 1 (5, 258), Of 2 5 (5, 7)];
    FmfCantSync = "OFPFMFC_CANT_SYNC" [Of 4 5 (5, 8)];
    FmfBadPriority = "OFPFMFC_BAD_PRIORITY" [Onf 3 3 (2360, 0), Of 4 5 (5, 9)];
    FmfIsSync = "OFPFMFC_IS_SYNC" [Of 4 5 (5, 10)];
    FmfUnsupported = "OFPFMFC_UNSUPPORTED" [Of 0 0 (3, 5)];
    NxfmfHardware = "NXFMFC_HARDWARE" [Nx 0 1 (5, 256), Nx 2 5 (12, 0)];
    NxfmfBadTableId = "NXFMFC_BAD_TABLE_ID" [Nx 0 1 (5, 257), Nx 2 5 (13, 0)];
    NxfmfInvalidTlvField = "NXFMFC_INVALID_TLV_FIELD" [Nx 0 1 (1, 536), Nx 2 5 (37, 0)];
    GmfGroupExists = "OFPGMFC_GROUP_EXISTS" [Nx 0 0 (6, 0), Of 1 5 (6, 0)];
    GmfInvalidGroup = "OFPGMFC_INVALID_GROUP" [Nx 0 0 (6, 1), Of 1 5 (6, 1)];
    GmfWeightUnsupported = "OFPGMFC_WEIGHT_UNSUPPORTED" [Nx 0 0 (6, 2), Of 1 5 (6, 2)];
    GmfOutOfGroups = "OFPGMFC_OUT_OF_GROUPS" [Nx 0 0 (6, 3), Of 1 5 (6, 3)];
    GmfOutOfBuckets = "OFPGMFC_OUT_OF_BUCKETS" [Nx 0 0 (6, 4), Of 1 5 (6, 4)];
    GmfChainingUnsupported = "OFPGMFC_CHAINING_UNSUPPORTED" [Nx 0 0 (6, 5), Of 1 5 (6, 5)];
    GmfWatchUnsupported = "OFPGMFC_WATCH_UNSUPPORTED" [Nx 0 0 (6, 6), Of 1 5 (6, 6)];
    GmfLoop = "OFPGMFC_LOOP" [Nx 0 0 (6, 7), Of 1 5 (6, 7)];
    GmfUnknownGroup = "OFPGMFC_UNKNOWN_GROUP" [Nx 0 0 (6, 8), Of 1 5 (6, 8)];
    GmfChainedGroup = "OFPGMFC_CHAINED_GROUP" [Nx 0 0 (6, 9), Of 2 5 (6, 9)];
    GmfBadType = "OFPGMFC_BAD_TYPE" [Nx 0 0 (6, 10), Of 2 5 (6, 10)];
    GmfBadCommand = "OFPGMFC_BAD_COMMAND" [Nx 0 0 (6, 11), Of 2 5 (6, 11)];
    GmfBadBucket = "OFPGMFC_BAD_BUCKET" [Nx 0 0 (6, 12), Of 2 5 (6, 12)];
    GmfBadWatch = "OFPGMFC_BAD_WATCH" [Nx 0 0 (6, 13), Of 2 5 (6, 13)];
    GmfEperm = "OFPGMFC_EPERM" [Nx 0 0 (6, 14), Of 2 5 (6, 14)];
    GmfUnknownBucket = "OFPGMFC_UNKNOWN_BUCKET" [Nx 0 0 (6, 15), Of 5 5 (6, 15)];
    GmfBucketExists = "OFPGMFC_BUCKET_EXISTS" [Nx 0 0 (6, 16), Of 5 5 (6, 16)];
    PmfBadPort = "OFPPMFC_BAD_PORT" [Of 0 0 (4, 0), Of 1 5 (7, 0)];
    PmfBadHwAddr = "OFPPMFC_BAD_HW_ADDR" [Of 0 0 (4, 1), Of 1 5 (7, 1)];
    PmfBadConfig = "OFPPMFC_BAD_CONFIG" [Of 1 5 (7, 2)];
    PmfBadAdvertise = "OFPPMFC_BAD_ADVERTISE" [Of 1 5 (7, 3)];
    PmfEperm = "OFPPMFC_EPERM" [Of 2 5 (7, 4)];
    TmfBadTable = "OFPTMFC_BAD_TABLE" [Of 1 5 (8, 0)];
    TmfBadConfig = "OFPTMFC_BAD_CONFIG" [Of 1 5 (8, 1)];
    TmfEperm = "OFPTMFC_EPERM" [Of 2 5 (8, 2)];
    QofBadPort = "OFPQOFC_BAD_PORT" [Of 0 0 (5, 0), Of 1 5 (9, 0)];
    QofBadQueue = "OFPQOFC_BAD_QUEUE" [Of 0 0 (5, 1), Of 1 5 (9, 1)];
    QofEperm = "OFPQOFC_EPERM" [Of 0 0 (5, 2), Of 1 5 (9, 2)];
    NxqofQueueError = "NXQOFC_QUEUE_ERROR" [Nx 4 5 (23, 0)];
    ScfBadFlags = "OFPSCFC_BAD_FLAGS" [Of 1 5 (10, 0)];
    ScfBadLen = "OFPSCFC_BAD_LEN" [Of 1 5 (10, 1)];
    ScfEperm = "OFPSCFC_EPERM" [Of 2 5 (10, 2)];
    RrfStale = "OFPRRFC_STALE" [Of 2 5 (11, 0)];
    RrfUnsup = "OFPRRFC_UNSUP" [Of 2 5 (11, 1)];
    RrfBadRole = "OFPRRFC_BAD_ROLE" [Nx 0 1 (1, 513), Of 2 5 (11, 2)];
    RrfIdUnsup = "OFPRRFC_ID_UNSUP" [Of 5 5 (11, 3)];
    RrfIdInUse = "OFPRRFC_ID_IN_USE" [Of 5 5 (11, 4)];
    MmfUnknown = "OFPMMFC_UNKNOWN" [Of 3 5 (12, 0)];
    MmfMeterExists = "OFPMMFC_METER_EXISTS" [Of 3 5 (12, 1)];
    MmfInvalidMeter = "OFPMMFC_INVALID_METER" [Of 3 5 (12, 2)];
    MmfUnknownMeter = "OFPMMFC_UNKNOWN_METER" [Of 3 5 (12, 3)];
    MmfBadCommand = "OFPMMFC_BAD_COMMAND" [Of 3 5 (12, 4)];
    MmfBadFlags = "OFPMMFC_BAD_FLAGS" [Of 3 5 (12, 5)];
    MmfBadRate = "OFPMMFC_BAD_RATE" [Of 3 5 (12, 6)];
    MmfBadBurst = "OFPMMFC_BAD_BURST" [Of 3 5 (12, 7)];
    MmfBadBand = "OFPMMFC_BAD_BAND" [Of 3 5 (12, 8)];
    MmfBadBandValue = "OFPMMFC_BAD_BAND_VALUE" [Of 3 5 (12, 9)];
    MmfOutOfMeters = "OFPMMFC_OUT_OF_METERS" [Of 3 5 (12, 10)];
    MmfOutOfBands = "OFPMMFC_OUT_OF_BANDS" [Of 3 5 (12, 11)];
    TffBadTable = "OFPTFFC_BAD_TABLE" [Of 3 5 (13, 0)];
    TffBadMetadata = "OFPTFFC_BAD_METADATA" [Of 3 5 (13, 1)];
    TffEperm = "OFPTFFC_EPERM" [Of 3 5 (13, 5)];
    TffBadCapa = "OFPTFFC_BAD_CAPA" [Of 5 5 (13, 6)];
    TffBadMaxEnt = "OFPTFFC_BAD_MAX_ENT" [Of 5 5 (13, 7)];
    TffBadFeatures = "OFPTFFC_BAD_FEATURES" [Of 5 5 (13, 8)];
    TffBadCommand = "OFPTFFC_BAD_COMMAND" [Of 5 5 (13, 9)];
    TffTooMany = "OFPTFFC_TOO_MANY" [Of 5 5 (13, 10)];
    NxtffDupTable = "NXTFFC_DUP_TABLE" [Nx 3 5 (44, 0)];
    BpBadType = "OFPBPC_BAD_TYPE" [Nx 0 1 (13, 2), Nx 2 2 (25, 0), Of 3 3 (13, 2), Of 4 5 (14, 0)];
    BpBadLen = "OFPBPC_BAD_LEN" [Nx 0 1 (13, 3), Nx 2 2 (26, 0), Of 3 3 (13, 3), Of 4 5 (14, 1)];
    BpBadValue = "OFPBPC_BAD_VALUE" [Nx 0 1 (13, 4), Nx 2 2 (27, 0), Of 3 3 (13, 4), Of 4 5 (14, 2)];
    BpTooMany = "OFPBPC_TOO_MANY" [Nx 0 1 (14, 3), Nx 2 2 (28, 0), Onf 3 3 (4443, 0), Of 4 5 (14, 3)];
    BpDupType = "OFPBPC_DUP_TYPE" [Nx 0 1 (14, 4), Nx 2 2 (29, 0), Onf 3 3 (4444, 0), Of 4 5 (14, 4)];
    BpBadExperimenter = "OFPBPC_BAD_EXPERIMENTER" [Nx 0 1 (14, 5), Nx 2 2 (30, 0), Onf 3 3 (4445, 0), Of 4 5 (14, 5)];
    BpBadExpType = "OFPBPC_BAD_EXP_TYPE" [Nx 0 1 (14, 6), Nx 2 2 (31, 0), Onf 3 3 (4446, 0), Of 4 5 (14, 6)];
    BpBadExpValue = "OFPBPC_BAD_EXP_VALUE" [Nx 0 1 (14, 7), Nx 2 2 (32, 0), Onf 3 3 (4447, 0), Of 4 5 (14, 7)];
    BpEperm = "OFPBPC_EPERM" [Nx 0 1 (14, 8), Nx 2 2 (33, 0), Onf 3 3 (4448, 0), Of 4 5 (14, 8)];
    AcfInvalid = "OFPACFC_INVALID" [Onf 3 3 (2370, 0), Of 4 5 (15, 0)];
    AcfUnsupported = "OFPACFC_UNSUPPORTED" [Onf 3 3 (2371, 0), Of 4 5 (15, 1)];
    AcfEperm = "OFPACFC_EPERM" [Onf 3 3 (2372, 0), Of 4 5 (15, 2)];
    BfUnknown = "OFPBFC_UNKNOWN" [Onf 3 3 (2300, 0), Of 4 5 (17, 0)];
    BfEperm = "OFPBFC_EPERM" [Onf 3 3 (2301, 0), Of 4 5 (17, 1)];
    BfBadId = "OFPBFC_BAD_ID" [Onf 3 3 (2302, 0), Of 4 5 (17, 2)];
    BfBundleExist = "OFPBFC_BUNDLE_EXIST" [Onf 3 3 (2303, 0), Of 4 5 (17, 3)];
    BfBundleClosed = "OFPBFC_BUNDLE_CLOSED" [Onf 3 3 (2304, 0), Of 4 5 (17, 4)];
    BfOutOfBundles = "OFPBFC_OUT_OF_BUNDLES" [Onf 3 3 (2305, 0), Of 4 5 (17, 5)];
    BfBadType = "OFPBFC_BAD_TYPE" [Onf 3 3 (2306, 0), Of 4 5 (17, 6)];
    BfBadFlags = "OFPBFC_BAD_FLAGS" [Onf 3 3 (2307, 0), Of 4 5 (17, 7)];
    BfMsgBadLen = "OFPBFC_MSG_BAD_LEN" [Onf 3 3 (2308, 0), Of 4 5 (17, 8)];
    BfMsgBadXid = "OFPBFC_MSG_BAD_XID" [Onf 3 3 (2309, 0), Of 4 5 (17, 9)];
    BfMsgUnsup = "OFPBFC_MSG_UNSUP" [Onf 3 3 (2310, 0), Of 4 5 (17, 10)];
    BfMsgConflict = "OFPBFC_MSG_CONFLICT" [Onf 3 3 (2311, 0), Of 4 5 (17, 11)];
    BfMsgTooMany = "OFPBFC_MSG_TOO_MANY" [Onf 3 3 (2312, 0), Of 4 5 (17, 12)];
    BfMsgFailed = "OFPBFC_MSG_FAILED" [Onf 3 3 (2313, 0), Of 4 5 (17, 13)];
    BfTimeout = "OFPBFC_TIMEOUT" [Onf 3 3 (2314, 0), Of 4 5 (17, 14)];
    BfBundleInProgress = "OFPBFC_BUNDLE_IN_PROGRESS" [Onf 3 3 (2315, 0), Of 4 5 (17, 15)];
    BfSchedNotSupported = "OFPBFC_SCHED_NOT_SUPPORTED" [Of 5 5 (17, 16)];
    BfSchedFuture = "OFPBFC_SCHED_FUTURE" [Of 5 5 (17, 17)];
    BfSchedPast = "OFPBFC_SCHED_PAST" [Of 5 5 (17, 18)];
    BfBadVersion = "OFPBFC_BAD_VERSION" [Nx 4 5 (22, 0)];
    MofUnknown = "OFPMOFC_UNKNOWN" [Of 4 5 (16, 0)];
    MofMonitorExists = "OFPMOFC_MONITOR_EXISTS" [Nx 0 1 (1, 517), Nx 2 3 (6, 0), Of 4 5 (16, 1)];
    MofInvalidMonitor = "OFPMOFC_INVALID_MONITOR" [Of 4 5 (16, 2)];
    MofUnknownMonitor = "OFPMOFC_UNKNOWN_MONITOR" [Nx 0 1 (1, 519), Nx 2 3 (8, 0), Of 4 5 (16, 3)];
    MofBadCommand = "OFPMOFC_BAD_COMMAND" [Of 4 5 (16, 4)];
    MofBadFlags = "OFPMOFC_BAD_FLAGS" [Nx 0 1 (1, 518), Nx 2 3 (7, 0), Of 4 5 (16, 5)];
    MofBadTableId = "OFPMOFC_BAD_TABLE_ID" [Of 4 5 (16, 6)];
    MofBadOut = "OFPMOFC_BAD_OUT" [Of 4 5 (16, 7)];
    NxttmfBadCommand = "NXTTMFC_BAD_COMMAND" [Nx 0 1 (1, 527), Nx 2 5 (16, 0)];
    NxttmfBadOptLen = "NXTTMFC_BAD_OPT_LEN" [Nx 0 1 (1, 528), Nx 2 5 (17, 0)];
    NxttmfBadFieldIdx = "NXTTMFC_BAD_FIELD_IDX" [Nx 0 1 (1, 529), Nx 2 5 (18, 0)];
    NxttmfTableFull = "NXTTMFC_TABLE_FULL" [Nx 0 1 (1, 530), Nx 2 5 (19, 0)];
    NxttmfAlreadyMapped = "NXTTMFC_ALREADY_MAPPED" [Nx 0 1 (1, 531), Nx 2 5 (20, 0)];
    NxttmfDupEntry = "NXTTMFC_DUP_ENTRY" [Nx 0 1 (1, 532), Nx 2 5 (21, 0)];
    NxttmfInvalidTlvDel = "NXTTMFC_INVALID_TLV_DEL" [Nx 0 1 (1, 537), Nx 2 5 (38, 0)];
    NxrNotSupported = "NXR_NOT_SUPPORTED" [Nx 0 1 (1, 533), Nx 2 5 (34, 0)];
    NxrStale = "NXR_STALE" [Nx 0 1 (1, 534), Nx 2 5 (35, 0)];
    NxstNotConfigured = "NXST_NOT_CONFIGURED" [Nx 0 1 (1, 535), Nx 2 5 (36, 0)];
}
