/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNCudaSharedLibrary.h"
#include "itkNNCudaStream.h"

#include <cublasLt.h>

#include <map>
#include <memory>
#include <mutex>

/** \file
 * Products of matrices by cuBLASLt. Its matrices are column-major: dst transposed is b
 * transposed times a transposed.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** More room makes products no faster. */
constexpr std::size_t largestWorkspace = std::size_t{ 32 } << 20U;

#define UNIVERSEG_TEXT_OF(value) #value
#define UNIVERSEG_TEXT(value) UNIVERSEG_TEXT_OF(value)

struct Functions
{
  Functions()
#ifdef _WIN32
    : library("cublasLt64_" UNIVERSEG_TEXT(CUBLAS_VER_MAJOR) ".dll")
#else
    : library("libcublasLt.so." UNIVERSEG_TEXT(CUBLAS_VER_MAJOR))
#endif
  {
    library.Get("cublasLtCreate", create);
    library.Get("cublasLtMatmul", run);
    library.Get("cublasLtMatmulAlgoGetHeuristic", choose);
    library.Get("cublasLtMatmulDescCreate", createProduct);
    library.Get("cublasLtMatmulDescDestroy", destroyProduct);
    library.Get("cublasLtMatmulDescSetAttribute", setProduct);
    library.Get("cublasLtMatrixLayoutCreate", createMatrix);
    library.Get("cublasLtMatrixLayoutDestroy", destroyMatrix);
    library.Get("cublasLtMatrixLayoutSetAttribute", setMatrix);
    library.Get("cublasLtMatmulPreferenceCreate", createPreference);
    library.Get("cublasLtMatmulPreferenceDestroy", destroyPreference);
    library.Get("cublasLtMatmulPreferenceSetAttribute", setPreference);
    library.Get("cublasLtGetStatusString", getText);
  }

  SharedLibrary library;
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatmul) run = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) choose = nullptr;
  decltype(&cublasLtMatmulDescCreate) createProduct = nullptr;
  decltype(&cublasLtMatmulDescDestroy) destroyProduct = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) setProduct = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) createMatrix = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) destroyMatrix = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) setMatrix = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) createPreference = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) destroyPreference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) setPreference = nullptr;
  decltype(&cublasLtGetStatusString) getText = nullptr;
};

const Functions &
GetFunctions()
{
  static const Functions functions;
  return functions;
}

int
CheckProduct(cublasStatus_t status, const char * what)
{
  return status == CUBLAS_STATUS_SUCCESS ? 0 : Fail(std::string(what) + ": " + GetFunctions().getText(status));
}

#define UNIVERSEG_CUBLAS_CHECK(call)                                                                                   \
  do                                                                                                                   \
  {                                                                                                                    \
    if (const int failedCall = CheckProduct(call, #call); failedCall != 0)                                             \
    {                                                                                                                  \
      return failedCall;                                                                                               \
    }                                                                                                                  \
  }                                                                                                                    \
  while (false)

/** One for each device, which all threads may use. */
int
GetHandle(int device, cublasLtHandle_t & handle)
{
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = handles.find(device);
  if (found == handles.end())
  {
    UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
    UNIVERSEG_CUBLAS_CHECK(GetFunctions().create(&handle));
    handles.emplace(device, handle);
    return 0;
  }
  handle = found->second;
  return 0;
}

struct Product
{
  ~Product()
  {
    const Functions & f = GetFunctions();
    for (auto * matrix : { first, second, result })
    {
      if (matrix != nullptr)
      {
        f.destroyMatrix(matrix);
      }
    }
    if (preference != nullptr)
    {
      f.destroyPreference(preference);
    }
    if (product != nullptr)
    {
      f.destroyProduct(product);
    }
  }

  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatrixLayout_t first = nullptr;  ///< b
  cublasLtMatrixLayout_t second = nullptr; ///< a
  cublasLtMatrixLayout_t result = nullptr;
  cublasLtMatmulHeuristicResult_t choice{};
  bool isDouble = false;
};

cudaDataType_t
ToDataType(ElementType type)
{
  switch (type)
  {
    case ElementType::Double:
      return CUDA_R_64F;
    case ElementType::Half:
      return CUDA_R_16F;
    case ElementType::BFloat16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

/** A matrix whose element [row, column] is at row * rowStride + column * columnStride, as
 * cuBLAS has its transpose; isTransposed tells whether that has to be turned. */
int
MakeMatrix(cudaDataType_t type,
           std::int64_t rows,
           std::int64_t columns,
           std::int64_t rowStride,
           std::int64_t columnStride,
           std::int64_t batch,
           std::int64_t batchStride,
           cublasLtMatrixLayout_t & matrix,
           cublasOperation_t & operation)
{
  const Functions & f = GetFunctions();
  const bool isRowMajor = columnStride == 1 || columns == 1;
  if (!isRowMajor && rowStride != 1 && rows != 1)
  {
    return Fail("cuBLAS takes matrices with neighbours along rows or columns");
  }
  operation = isRowMajor ? CUBLAS_OP_N : CUBLAS_OP_T;
  const auto inner = static_cast<std::uint64_t>(isRowMajor ? columns : rows);
  const auto outer = static_cast<std::uint64_t>(isRowMajor ? rows : columns);
  // The stride of one line does not matter, but should not be below its length.
  const std::int64_t given = isRowMajor ? rowStride : columnStride;
  const std::int64_t leading = outer == 1 ? static_cast<std::int64_t>(inner) : given;
  UNIVERSEG_CUBLAS_CHECK(f.createMatrix(&matrix, type, inner, outer, leading));
  if (batch > 1)
  {
    const auto count = static_cast<std::int32_t>(batch);
    UNIVERSEG_CUBLAS_CHECK(f.setMatrix(matrix, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    UNIVERSEG_CUBLAS_CHECK(
      f.setMatrix(matrix, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batchStride, sizeof batchStride));
  }
  return 0;
}

int
Prepare(int device, const ProductDescription & d, Product & p)
{
  const Functions & f = GetFunctions();
  if (!f.library.GetReason().empty())
  {
    return Fail(f.library.GetReason());
  }
  if (const int failed = GetHandle(device, p.handle); failed != 0)
  {
    return failed;
  }
  const cudaDataType_t type = ToDataType(d.type);
  p.isDouble = d.type == ElementType::Double;
  const cublasComputeType_t compute = p.isDouble ? CUBLAS_COMPUTE_64F
                                    : d.type == ElementType::Float && d.allowTensorFloat32 != 0
                                      ? CUBLAS_COMPUTE_32F_FAST_TF32
                                      : CUBLAS_COMPUTE_32F;
  UNIVERSEG_CUBLAS_CHECK(f.createProduct(&p.product, compute, p.isDouble ? CUDA_R_64F : CUDA_R_32F));
  cublasOperation_t firstOperation = CUBLAS_OP_N;
  cublasOperation_t secondOperation = CUBLAS_OP_N;
  cublasOperation_t unused = CUBLAS_OP_N;
  int failed =
    MakeMatrix(type, d.inner, d.columns, d.bStrides[1], d.bStrides[2], d.batch, d.bStrides[0], p.first, firstOperation);
  failed = failed != 0
           ? failed
           : MakeMatrix(
               type, d.rows, d.inner, d.aStrides[1], d.aStrides[2], d.batch, d.aStrides[0], p.second, secondOperation);
  failed = failed != 0 ? failed
                       : MakeMatrix(type, d.rows, d.columns, d.columns, 1, d.batch, d.dstBatchStride, p.result, unused);
  if (failed != 0)
  {
    return failed;
  }
  UNIVERSEG_CUBLAS_CHECK(f.setProduct(p.product, CUBLASLT_MATMUL_DESC_TRANSA, &firstOperation, sizeof firstOperation));
  UNIVERSEG_CUBLAS_CHECK(
    f.setProduct(p.product, CUBLASLT_MATMUL_DESC_TRANSB, &secondOperation, sizeof secondOperation));
  UNIVERSEG_CUBLAS_CHECK(f.createPreference(&p.preference));
  UNIVERSEG_CUBLAS_CHECK(f.setPreference(
    p.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &largestWorkspace, sizeof largestWorkspace));
  const auto alignment = static_cast<std::uint32_t>(d.alignment);
  for (const auto which : { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES })
  {
    UNIVERSEG_CUBLAS_CHECK(f.setPreference(p.preference, which, &alignment, sizeof alignment));
  }
  int found = 0;
  UNIVERSEG_CUBLAS_CHECK(
    f.choose(p.handle, p.product, p.first, p.second, p.result, p.result, p.preference, 1, &p.choice, &found));
  return found == 0 ? Fail("cuBLAS has no algorithm for the product") : 0;
}
} // namespace

int
PrepareProduct(int device, const ProductDescription * description, void ** prepared, std::size_t * workspace)
{
  auto product = std::make_unique<Product>();
  if (const int failed = Prepare(device, *description, *product); failed != 0)
  {
    return failed;
  }
  *workspace = product->choice.workspaceSize;
  *prepared = product.release();
  return 0;
}

int
RunProduct(void * handle, const void * prepared, const void * a, const void * b, void * dst, void * workspace)
{
  const auto & stream = *static_cast<const Stream *>(handle);
  const auto & p = *static_cast<const Product *>(prepared);
  const float one = 1;
  const float zero = 0;
  const double oneDouble = 1;
  const double zeroDouble = 0;
  const void * alpha = p.isDouble ? static_cast<const void *>(&oneDouble) : &one;
  const void * beta = p.isDouble ? static_cast<const void *>(&zeroDouble) : &zero;
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream.device));
  UNIVERSEG_CUBLAS_CHECK(GetFunctions().run(p.handle,
                                            p.product,
                                            alpha,
                                            b,
                                            p.first,
                                            a,
                                            p.second,
                                            beta,
                                            dst,
                                            p.result,
                                            dst,
                                            p.result,
                                            &p.choice.algo,
                                            workspace,
                                            p.choice.workspaceSize,
                                            stream.stream));
  return 0;
}

int
DestroyProduct(void * prepared)
{
  delete static_cast<Product *>(prepared);
  return 0;
}
} // namespace cuda
} // namespace nn
} // namespace itk
